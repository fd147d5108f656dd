// Builds the coupons and the claims of each campaign from its options.
#include "bench/campaigns.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <unordered_map>

namespace flashclaim::bench {

Campaign replay_campaign(std::span<const Receipt> receipts, double stock_ratio, std::int64_t user_limit) {
  Campaign campaign;
  std::unordered_map<std::int64_t, std::size_t> index_of;
  std::vector<std::int64_t> counts;
  for (const Receipt& receipt : receipts) {
    auto [found, is_new] = index_of.try_emplace(receipt.coupon_id, counts.size());
    if (is_new) {
      counts.push_back(0);
      campaign.coupons.push_back({fmt::format("replay of coupon {}", receipt.coupon_id), 0, user_limit});
    }
    ++counts[found->second];
    campaign.claims.push_back({found->second, receipt.user_id});
  }
  for (std::size_t i = 0; i < counts.size(); ++i) {
    // 0.8 x 5 must be 4 although the product of doubles may be a hair below it.
    double share = stock_ratio * static_cast<double>(counts[i]);
    campaign.coupons[i].total = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(share + 1e-9 * share)));
  }
  return campaign;
}

Campaign storm_campaign(const Storm& storm) {
  Campaign campaign;
  campaign.coupons.push_back({"storm", storm.total, storm.user_limit});
  for (std::int64_t i = 0; i < storm.requests; ++i) campaign.claims.push_back({0, i % storm.users + 1});
  std::mt19937 random(storm.seed);
  std::shuffle(campaign.claims.begin(), campaign.claims.end(), random);
  return campaign;
}

}  // namespace flashclaim::bench
