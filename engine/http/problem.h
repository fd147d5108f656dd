// Refusals as application/problem+json (RFC 9457), made from the one table of them (engine/problem).
#pragma once

#include <string_view>

#include "engine/http/answer.h"
#include "engine/problem/problem.h"

namespace flashclaim::http {

using flashclaim::kProblemCount;
using flashclaim::Problem;

/// The word in the body's `code`, e.g. `SOLD_OUT`: what clients switch on.
std::string_view problem_code(Problem problem);
Status problem_status(Problem problem);

/// The whole answer, preformatted; a problem worth a retry carries a jittered Retry-After. `allow` is for
/// kMethodNotAllowed: the resource's methods ("POST"). The views stay valid until the next call in this thread.
Answer problem_answer(Problem problem, std::string_view allow = {});

}  // namespace flashclaim::http
