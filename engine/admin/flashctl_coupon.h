// What the files of flashctl coupon share.
#pragma once

#include "engine/admin/command.h"
#include "engine/admin/operations.h"

namespace flashclaim::admin {

Answer show_coupon(Context& context, const Arguments& arguments);
Answer list_coupons_verb(Context& context, const Arguments& arguments);
Answer update_coupon_verb(Context& context, const Arguments& arguments);

/// Operated as an answer; in JSON it says too whether anything changed.
Answer answer_of(const Operated& operated);

}  // namespace flashclaim::admin
