// The paths of the public API, and who asks.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/http/request.h"

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

/// The user of a request, from `X-User-Id`.
struct Caller {
  enum class Kind {
    kUser,
    kMissing,
    kInvalid,  ///< sent twice, or not `[1-9][0-9]{0,18}` within 2^63-1
  };
  Kind kind = Kind::kMissing;
  std::string_view user;  ///< of kUser: its digits, in the request's bytes
  std::int64_t user_id = 0;
};
Caller caller_of(const http::Request& request);

}  // namespace flashclaim::claim
