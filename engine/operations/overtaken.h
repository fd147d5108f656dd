// What is said to the operator whose operation met another one.
#pragma once

#include <string_view>

#include "engine/operations/operations.h"
#include "engine/postgres/coupons.h"

namespace flashclaim::operations {

/// Nothing was changed, for the coupon is no longer what was read: kRefused, with who did what and how it is now.
Result<Operated> lost_to(postgres::Session& pg, const postgres::CouponState& now);

/// `what` (past tense: "it was paused") was carried out, and another operation undid it since: kOvertaken.
Result<Operated> undone_by(postgres::Session& pg, const postgres::CouponState& now, std::string_view what);

}  // namespace flashclaim::operations
