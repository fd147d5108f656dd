// Refusals as application/problem+json (RFC 9457): a closed set of codes, and the one switch from code to HTTP status.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/http/answer.h"

namespace flashclaim::http {

enum class Problem {
  kInvalidRequest,
  kUnauthenticated,
  kNotFound,
  kCouponNotFound,
  kClaimNotFound,
  kMethodNotAllowed,
  kNotStarted,
  kPaused,
  kSoldOut,
  kLimitReached,
  kEnded,
  kPayloadTooLarge,
  kRateLimited,
  kHeadersTooLarge,
  kInternal,
  kBusy,
  kNotReady,
  kOutcomeUnknown,
};
inline constexpr int kProblemCount = static_cast<int>(Problem::kOutcomeUnknown) + 1;

/// The word in the body's `code`, e.g. `SOLD_OUT`: what clients switch on.
std::string_view problem_code(Problem problem);
Status problem_status(Problem problem);

/// The whole answer, preformatted; a problem worth a retry carries a jittered Retry-After. `allow` is for
/// kMethodNotAllowed: the resource's methods ("POST"). The views stay valid until the next call in this thread.
Answer problem_answer(Problem problem, std::string_view allow = {});

}  // namespace flashclaim::http
