// What a user holds as JSON.
#pragma once

#include <string>

#include "engine/postgres/archive.h"

namespace flashclaim::archive {

/// `{"coupons":[{couponId,name,claimId,claimedAtMs,settledAtMs},…],"next":"42-1"}`; no `next`: this is the last page.
std::string held_json(const postgres::HeldPage& page);

}  // namespace flashclaim::archive
