// What the files of flashctl coupon share.
#pragma once

#include "engine/cli/command.h"
#include "engine/operations/operations.h"

namespace flashclaim::cli {

CommandResult show_coupon(Context& context, const Arguments& arguments);
CommandResult list_coupons_verb(Context& context, const Arguments& arguments);
CommandResult update_coupon_verb(Context& context, const Arguments& arguments);

/// Makes a result of Operated; the JSON also says whether anything changed.
CommandResult answer_of(const operations::Operated& operated);

}  // namespace flashclaim::cli
