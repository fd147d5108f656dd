// The paths of the public API.
#pragma once

#include <string_view>

namespace flashclaim::claim {

enum class Route {
  kReceive,     ///< POST /coupons/{couponId}/receive
  kCouponView,  ///< GET /coupons/{couponId}
  kClaimView,   ///< GET /claims/{claimId}
  kNone,
};

struct Target {
  Route route = Route::kNone;
  std::string_view id;  ///< as it stands in the path; not checked
};
Target parse_target(std::string_view path);

}  // namespace flashclaim::claim
