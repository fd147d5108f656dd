// One switch from the codes of Redis' errors to problems.
#include "engine/claim/outcome.h"

#include "engine/redis/errors.h"

namespace flashclaim::claim {

using http::Problem;

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
