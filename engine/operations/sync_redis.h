// Sends the database's state to Redis: the second half of every operation on a coupon.
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

/// Calls apply_state with the absolute values of `state`; creates the coupon in Redis only where nothing can have been
/// claimed (CouponState::may_create). Then checks whether the database has a newer version by now, and sends that: so a
/// late caller never leaves an old state in Redis, and never a coupon that was ended or purged meanwhile.
/// When Redis answers that a cut does not fit, the cut is taken back in the database under a new version, and that is
/// sent instead, so that a half-made cut never blocks another operation. If another operation came between, its state
/// stays.
Result<Synced> sync_redis(redis::Client& redis, postgres::Session& pg, const postgres::CouponState& state);

}  // namespace flashclaim::operations
