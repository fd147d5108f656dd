// What a sequential judge would have decided: the figure that a run's accepted claims are compared with.
#pragma once

#include <cstdint>
#include <map>
#include <span>

#include "bench/claim_run.h"

namespace flashclaim::bench {

struct CouponTerms {
  std::int64_t total = 0;
  std::int64_t user_limit = 1;
};

/// How many claims of each coupon are accepted when they come one after the other: the same in any order, namely
/// min(total, the sum over users of min(user_limit, claims)). Coupons without a claim are 0.
std::map<std::int64_t, std::int64_t> sequential_judge(std::span<const ClaimOrder> orders,
                                                      const std::map<std::int64_t, CouponTerms>& terms);

}  // namespace flashclaim::bench
