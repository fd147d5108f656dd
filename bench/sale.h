// The coupons of one run: made and published under fresh ids before it, ended after it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bench/services.h"
#include "engine/base/result.h"

namespace flashclaim::bench {

struct CouponPlan {
  std::string name;
  std::int64_t total = 0;
  std::int64_t user_limit = 1;
};

struct SaleOptions {
  int connections = 8;  ///< work side by side: each coupon costs a few durable writes, which group
  const std::atomic<bool>* interrupted = nullptr;
  std::function<void(std::int64_t done)> progress;  ///< called from any of the threads, one at a time
};

/// Creates and publishes a coupon for each plan, open from a minute ago for a day; result[i] is the id for plans[i].
/// The ids are above every id that the database ever gave, so a run never meets the claims of another. Two runs that
/// open at the same moment share the range between them. On an error what was opened by then is ended again.
Result<std::vector<std::int64_t>> open_sale(const ServiceUrls& urls, std::span<const CouponPlan> plans,
                                            const SaleOptions& options);

/// Ends them: they stay readable, and their streams are no longer watched once empty. May be repeated.
Result<void> end_sale(const ServiceUrls& urls, std::span<const std::int64_t> coupon_ids, const SaleOptions& options);

}  // namespace flashclaim::bench
