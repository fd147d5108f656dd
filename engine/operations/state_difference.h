// Compares status and terms of a coupon in Redis and in the database; not its numbers.
#pragma once

#include <string>

#include "engine/postgres/coupons.h"
#include "engine/redis/functions.h"

namespace flashclaim::operations {

/// Empty when they agree, else the first difference in words. After its end a coupon may be ended in Redis already, by
/// Redis' own clock (retire_coupon). An older version in Redis may differ: the caller compares the versions.
std::string state_difference(const postgres::CouponState& state, const redis::CouponView& view);

}  // namespace flashclaim::operations
