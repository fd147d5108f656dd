// One switch from Redis' verdicts to HTTP problems, and one from errors of Redis to them.
#include "engine/claim/outcome.h"

#include "engine/redis/errors.h"

namespace flashclaim::claim {

using http::Problem;
using redis::Verdict;

std::optional<Problem> problem_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAccepted:
    case Verdict::kReplayed:
      return std::nullopt;
    case Verdict::kNotStarted:
      return Problem::kNotStarted;
    case Verdict::kPaused:
      return Problem::kPaused;
    case Verdict::kEnded:
      return Problem::kEnded;
    case Verdict::kLimitReached:
      return Problem::kLimitReached;
    case Verdict::kSoldOut:
      return Problem::kSoldOut;
    case Verdict::kBusy:
      return Problem::kBusy;
    case Verdict::kNotReady:
      return Problem::kNotReady;
    case Verdict::kNoCoupon:
      return Problem::kCouponNotFound;
  }
  return Problem::kInternal;
}

Problem problem_of_error(std::string_view error) {
  const auto meaning = redis::meaning_of(error);
  if (!meaning) return Problem::kOutcomeUnknown;
  switch (meaning->code) {
    case ErrorCode::kOverloaded:
      return Problem::kBusy;
    case ErrorCode::kNotServing:
    case ErrorCode::kWrongServer:
    case ErrorCode::kMissing:
      return Problem::kNotReady;
    case ErrorCode::kDenied:
    case ErrorCode::kBadArgument:
    case ErrorCode::kDamaged:
      return Problem::kInternal;
    case ErrorCode::kOther:
      break;
  }
  return Problem::kOutcomeUnknown;
}

bool heals_itself(Problem problem) { return problem == Problem::kBusy || problem == Problem::kNotReady; }

}  // namespace flashclaim::claim
