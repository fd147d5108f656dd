// Host names to addresses. Blocks: on a loop it belongs into a thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace flashclaim::net {

using Clock = std::chrono::steady_clock;

/// Milliseconds from now until `at`, never negative, rounded up.
int milliseconds_until(Clock::time_point at);

/// Every address of `host`, as IP literals, in the resolver's order; never empty. Any thread; waits for the resolver.
Result<std::vector<std::string>> addresses_of(const std::string& host);
/// The same, and no later than the deadline. A literal is answered at once.
Result<std::vector<std::string>> addresses_of(const std::string& host, Clock::time_point deadline);

}  // namespace flashclaim::net
