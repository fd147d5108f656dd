// From an error reply of Redis to what HTTP says: the one reading of them. (Verdicts: engine/problem.)
#pragma once

#include <string_view>

#include "engine/http/problem.h"

namespace flashclaim::claim {

/// `error` is the text of an error reply. Errors that come before a function runs, or from its checks, mean that
/// nothing was applied; any other may have come after a write: OUTCOME_UNKNOWN.
http::Problem problem_of_error(std::string_view error);

/// False for an error that a person must look at (a damaged key, a missing permission, a bug).
bool heals_itself(http::Problem problem);

}  // namespace flashclaim::claim
