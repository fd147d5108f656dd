// The paths of the pages and lists, and the methods of each.
#pragma once

#include <string_view>

namespace flashclaim::pages {

enum class Page {
  kReceive,  ///< /coupons/{couponId}/receive
  kClaim,    ///< /claims/{claimId}
  kCoupon,   ///< /coupons/{couponId}
  kCoupons,  ///< /coupons
  kHeld,     ///< /users/me/coupons
  kSale,     ///< /sale/{couponId}
  kAsset,    ///< /sale/assets/{name}
  kServer,   ///< OPTIONS *
  kNone,
};

struct PageTarget {
  Page page = Page::kNone;
  std::string_view id;  ///< as it stands in the path; not checked
};
PageTarget parse_page(std::string_view path);

/// The methods, as the header `Allow` lists them.
std::string_view methods_of(Page page);

}  // namespace flashclaim::pages
