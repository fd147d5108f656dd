// Matches the path of a page or an API list, and names its methods.
#include "engine/pages/target.h"

#include "engine/claim/route.h"

namespace flashclaim::pages {

PageTarget parse_page(std::string_view path) {
  if (path == "/coupons") return {Page::kCoupons, {}};
  if (path == "/users/me/coupons") return {Page::kHeld, {}};
  if (path == "*") return {Page::kServer, {}};
  constexpr std::string_view kSale = "/sale/";
  constexpr std::string_view kAssets = "/sale/assets/";
  if (path.starts_with(kAssets)) return {Page::kAsset, path.substr(kAssets.size())};
  if (path.starts_with(kSale)) return {Page::kSale, path.substr(kSale.size())};
  const claim::Target target = claim::parse_target(path);
  switch (target.route) {
    case claim::Route::kReceive:
      return {Page::kReceive, target.id};
    case claim::Route::kCouponView:
      return {Page::kCoupon, target.id};
    case claim::Route::kClaimView:
      return {Page::kClaim, target.id};
    case claim::Route::kNone:
      break;
  }
  return {};
}

std::string_view methods_of(Page page) {
  switch (page) {
    case Page::kReceive:
      return "POST, OPTIONS";
    case Page::kClaim:
    case Page::kCoupon:
    case Page::kCoupons:
    case Page::kHeld:
    case Page::kSale:
    case Page::kAsset:
      return "GET, HEAD, OPTIONS";
    case Page::kServer:
      return "GET, HEAD, POST, OPTIONS";
    case Page::kNone:
      break;
  }
  return {};
}

}  // namespace flashclaim::pages
