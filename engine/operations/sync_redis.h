// Tells Redis the state that the database holds: the second half of every operation on a coupon.
#pragma once

#include "engine/base/result.h"
#include "engine/postgres/coupons.h"
#include "engine/postgres/session.h"
#include "engine/redis/client.h"
#include "engine/redis/functions.h"

namespace flashclaim::operations {

redis::CouponSettings settings_of(const postgres::CouponState& state);

struct Synced {
  redis::ApplyReply reply = redis::ApplyReply::kApplied;
  bool cut_taken_back = false;  ///< the cut in `state` did not fit what is left: the database holds the old total again
  bool overtaken = false;       ///< another operation was committed meanwhile; Redis was told of that one too
  postgres::CouponState state;  ///< what the database holds now
};

/// apply_state with the absolute values of `state`; creates the coupon in Redis only where nothing can have been
/// claimed (CouponState::may_create). Then looks whether the database holds a newer version by now, and tells that: so
/// whoever comes late never leaves Redis behind, and never with a coupon that was ended or purged meanwhile.
/// Where Redis says that a cut does not fit, the cut is taken back in the database under a new version and that is
/// told instead, so that no half-made cut ever stands in the way of another operation; unless another operation came
/// between: then what it wrote stands.
Result<Synced> sync_redis(redis::Client& redis, postgres::Session& pg, const postgres::CouponState& state);

}  // namespace flashclaim::operations
