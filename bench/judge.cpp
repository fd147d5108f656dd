// Counts each user's claims up to the user limit, and sums them up to the coupon's total.
#include "bench/judge.h"

#include <algorithm>
#include <utility>

namespace flashclaim::bench {

std::map<std::int64_t, std::int64_t> sequential_judge(std::span<const ClaimOrder> orders,
                                                      const std::map<std::int64_t, CouponTerms>& terms) {
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> claims;
  for (const ClaimOrder& order : orders) ++claims[{order.coupon_id, order.user_id}];
  std::map<std::int64_t, std::int64_t> accepted;
  for (const auto& [coupon, coupon_terms] : terms) accepted[coupon] = 0;
  for (const auto& [who, count] : claims) {
    auto coupon_terms = terms.find(who.first);
    if (coupon_terms == terms.end()) continue;
    std::int64_t& sum = accepted[who.first];
    sum = std::min(sum + std::min(count, coupon_terms->second.user_limit), coupon_terms->second.total);
  }
  return accepted;
}

}  // namespace flashclaim::bench
