// Matches the path by hand, without regular expressions or copies.
#include "engine/claim/route.h"

namespace flashclaim::claim {

Target parse_target(std::string_view path) {
  constexpr std::string_view kCoupons = "/coupons/";
  constexpr std::string_view kClaims = "/claims/";
  constexpr std::string_view kReceive = "/receive";
  if (path.starts_with(kCoupons)) {
    std::string_view rest = path.substr(kCoupons.size());
    auto slash = rest.find('/');
    if (slash == std::string_view::npos) return {rest.empty() ? Route::kNone : Route::kCouponView, rest};
    if (rest.substr(slash) == kReceive) return {Route::kReceive, rest.substr(0, slash)};
  } else if (path.starts_with(kClaims)) {
    std::string_view rest = path.substr(kClaims.size());
    if (!rest.empty() && rest.find('/') == std::string_view::npos) return {Route::kClaimView, rest};
  }
  return {};
}

}  // namespace flashclaim::claim
