// Query parameters of a list: where a page begins and how long it is.
#pragma once

#include <optional>
#include <string_view>

#include "engine/claim/archive.h"

namespace flashclaim::pages {

inline constexpr int kLimitDefault = 20;
inline constexpr int kLimitMax = 100;

/// `limit=1` to kLimitMax; kLimitDefault when there is none. nullopt: malformed, or given twice.
std::optional<int> parse_limit(std::string_view query);

/// `limit` as above, and `after=<couponId>-<ordinal>`: the `next` of the page before.
std::optional<claim::HeldRange> parse_held_range(std::string_view query);

}  // namespace flashclaim::pages
