// The campaigns that flashbench knows: real receipts replayed, and a storm of a few users on one coupon.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "bench/campaign.h"
#include "bench/receipts.h"

namespace flashclaim::bench {

/// One coupon for each in the receipts, in order of first appearance, total = max(1, floor(stock_ratio x its
/// receipts)); the claims in the order of the file. stock_ratio > 0, user_limit >= 1.
Campaign replay_campaign(std::span<const Receipt> receipts, double stock_ratio, std::int64_t user_limit);

struct Storm {
  std::int64_t users = 500;
  std::int64_t requests = 10'000;
  std::int64_t total = 100;
  std::int64_t user_limit = 1;
  std::uint32_t seed = 1;  ///< of the order
};
/// Every user claims equally often (give or take one), in a shuffled order: a user's claims meet in flight.
Campaign storm_campaign(const Storm& storm);

}  // namespace flashclaim::bench
