// The answers to an operator whose operation met another one.
#pragma once

#include <string_view>

#include "engine/operations/operations.h"
#include "engine/postgres/coupons.h"

namespace flashclaim::operations {

/// kRefused: nothing was changed, because the coupon changed after it was read. Says who did what, and the state now.
Result<Operated> lost_to(postgres::Session& pg, const postgres::CouponState& now);

/// `what` (past tense: "it was paused") was carried out, and another operation undid it since: kOvertaken.
Result<Operated> undone_by(postgres::Session& pg, const postgres::CouponState& now, std::string_view what);

}  // namespace flashclaim::operations
