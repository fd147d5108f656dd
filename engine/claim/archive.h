// Who knows the claims that Redis has forgotten, and what a user holds.
#pragma once

#include <cstdint>

#include "engine/base/ids.h"
#include "engine/http/server.h"

namespace flashclaim::claim {

/// What a user holds is listed with the highest coupon id first, of one coupon the latest claim first: what stands
/// behind a place in that order.
struct HeldRange {
  std::int64_t after_coupon = INT64_MAX;
  std::int64_t after_ordinal = INT32_MAX;
  int limit = 20;
};

/// Both are called in the loop's thread, and answer the exchange in it, at once or later.
class Archive {
 public:
  /// The claim's outcome, CLAIM_NOT_FOUND when it never existed or is not of `user_id` (0: nobody in particular asks),
  /// or why it cannot be known now. Redis must have been asked before: what it has forgotten is here, what it has not
  /// forgotten may not be here yet.
  virtual void answer_claim(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id) noexcept = 0;
  virtual void answer_held(http::Exchange exchange, std::int64_t user_id, const HeldRange& range) noexcept = 0;

 protected:
  ~Archive() = default;
};

}  // namespace flashclaim::claim
