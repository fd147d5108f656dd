// See outcome.h.
#include "engine/claim/outcome.h"

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
  struct Known {
    std::string_view begins;
    Problem problem;
  };
  static constexpr Known kKnown[] = {
      {"OOM ", Problem::kBusy},                        // at maxmemory: refused before the function ran
      {"BUSY ", Problem::kBusy},                       // another script runs too long
      {"LOADING ", Problem::kNotReady},                // the data set is being read
      {"MASTERDOWN ", Problem::kNotReady},             //
      {"READONLY ", Problem::kNotReady},               // a replica
      {"NOREPLICAS ", Problem::kNotReady},             //
      {"MISCONF ", Problem::kNotReady},                // the disk does not take writes
      {"CLUSTERDOWN ", Problem::kNotReady},            //
      {"ERR Function not found", Problem::kNotReady},  // the library is not loaded
      {"ARGUMENT ", Problem::kInternal},               // ours: a bug
      {"DAMAGED ", Problem::kInternal},                // a person must look at the key
      {"NOPERM ", Problem::kInternal},                 //
      {"NOAUTH ", Problem::kInternal},                 //
  };
  for (const Known& known : kKnown)
    if (error.starts_with(known.begins)) return known.problem;
  return Problem::kOutcomeUnknown;
}

bool heals_itself(Problem problem) { return problem == Problem::kBusy || problem == Problem::kNotReady; }

}  // namespace flashclaim::claim
