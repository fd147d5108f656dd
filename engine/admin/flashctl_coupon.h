// The two verbs of flashctl coupon that only look.
#pragma once

#include "engine/admin/command.h"

namespace flashclaim::admin {

Answer show_coupon(Context& context, const Arguments& arguments);
Answer list_coupons_verb(Context& context, const Arguments& arguments);

}  // namespace flashclaim::admin
