// What Redis says of a coupon against what the database says: its status and its terms, not its numbers.
#pragma once

#include <string>

#include "engine/postgres/coupons.h"
#include "engine/redis/functions.h"

namespace flashclaim::operations {

/// Empty when they agree, else the first difference in words. Past its end a coupon may be ended in Redis already
/// (retire_coupon), by Redis' own clock. An older version in Redis differs by right: the caller looks at the versions.
std::string state_difference(const postgres::CouponState& state, const redis::CouponView& view);

}  // namespace flashclaim::operations
