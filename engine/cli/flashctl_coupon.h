// What the files of flashctl coupon share.
#pragma once

#include "engine/cli/command.h"
#include "engine/operations/operations.h"

namespace flashclaim::cli {

Answer show_coupon(Context& context, const Arguments& arguments);
Answer list_coupons_verb(Context& context, const Arguments& arguments);
Answer update_coupon_verb(Context& context, const Arguments& arguments);

/// Operated as an answer; in JSON it says too whether anything changed.
Answer answer_of(const operations::Operated& operated);

}  // namespace flashclaim::cli
