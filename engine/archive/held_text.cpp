// Writes the JSON by hand, coupon by coupon.
#include "engine/archive/held_text.h"

#include <spdlog/fmt/fmt.h>

#include "engine/base/json.h"

namespace flashclaim::archive {

std::string held_json(const postgres::HeldPage& page) {
  std::string out = R"({"coupons":[)";
  for (const postgres::HeldCoupon& held : page.coupons) {
    out += fmt::format(R"({}{{"couponId":"{}","name":)", out.back() == '[' ? "" : ",", held.claim.coupon_id);
    append_json_string(out, held.name);
    out += fmt::format(R"(,"claimId":"{}","claimedAtMs":{},"settledAtMs":{}}})", held.claim.text(), held.claimed_at_ms,
                       held.settled_at_ms);
  }
  out += ']';
  if (page.next) out += fmt::format(R"(,"next":"{}-{}")", page.next->coupon_id, page.next->ordinal);
  return out + '}';
}

}  // namespace flashclaim::archive
