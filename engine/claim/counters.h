// What one claim handler counts: written by its thread only, with plain stores, read by the metrics of any thread.
#pragma once

#include <array>

#include "engine/base/counter.h"
#include "engine/http/problem.h"
#include "engine/redis/functions.h"

namespace flashclaim::claim {

struct ClaimCounters {
  Counter accepted;
  Counter replayed;
  std::array<Counter, http::kProblemCount> claims_refused;  ///< claims only, by problem
  Counter answered_locally;  ///< refused without asking Redis, which had said for how long; in claims_refused too
  Counter views;
  Counter polls_waiting;             ///< GET /claims/{id}?wait= now
  Counter polls_pushed;              ///< answered by what finish said
  Counter polls_expired;             ///< answered `pending` at their deadline
  PowersHistogram<10> batch_claims;  ///< claims per FCALL
  PowersHistogram<24> claim_us;      ///< from the parsed request to the answer
  Counter waiting;                   ///< claims now, in and before flight
};

}  // namespace flashclaim::claim
