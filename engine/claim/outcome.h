// From what Redis says to what HTTP says: the one switch over the verdicts, and the one reading of error replies.
#pragma once

#include <optional>
#include <string_view>

#include "engine/http/problem.h"
#include "engine/redis/functions.h"

namespace flashclaim::claim {

/// nullopt: the claim stands, the answer is 202.
std::optional<http::Problem> problem_of(redis::Verdict verdict);

/// `error` is the text of an error reply. Errors that come before a function runs, or from its checks, mean that
/// nothing was applied; any other may have come after a write: OUTCOME_UNKNOWN.
http::Problem problem_of_error(std::string_view error);

/// False for an error that a person must look at (a damaged key, a missing permission, a bug).
bool heals_itself(http::Problem problem);

}  // namespace flashclaim::claim
