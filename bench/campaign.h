// A whole run against the stack: a sale of fresh coupons, claims by HTTP, settlement, and every invariant checked.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/claim_run.h"
#include "bench/progress.h"
#include "bench/sale.h"
#include "engine/base/result.h"
#include "engine/cli/output.h"
#include "engine/operations/checker.h"

namespace flashclaim::bench {

/// A claim in the words of the plan: which of its coupons, and who.
struct PlannedClaim {
  std::size_t coupon = 0;  ///< index into Campaign::coupons
  std::int64_t user_id = 0;
};
struct Campaign {
  std::vector<CouponPlan> coupons;
  std::vector<PlannedClaim> claims;  ///< fired in this order
};

struct CampaignOptions {
  int connections = 64;
  std::int64_t stall_ms = 60'000;  ///< without any progress of claims or of settlement: give up
  bool keep_open = false;          ///< do not end the coupons afterwards
  Progress::Style progress = Progress::Style::kQuiet;
  const std::atomic<bool>* interrupted = nullptr;
};

struct CampaignReport {
  std::vector<std::int64_t> coupon_ids;  ///< result[i] was made for coupons[i]
  std::int64_t stock = 0;                ///< the totals of all coupons
  ClaimRunReport claims;
  std::int64_t users_accepted = 0;  ///< different users with an accepted claim
  std::int64_t sale_us = 0;         ///< creating and publishing
  std::int64_t check_us = 0;
  std::int64_t settlement_us = 0;  ///< from the last answer to the last row
  operations::CheckReport check;   ///< its violations, and those that this run found itself
  std::string problem;             ///< why the run is not complete; empty: it is
  [[nodiscard]] bool passed() const;
};

/// Blocks until done. The coupons are ended whatever happens (unless keep_open). An error means that nothing could be
/// claimed; what went wrong later is in the report's `problem`.
Result<CampaignReport> run_campaign(const Campaign& campaign, const CampaignOptions& options);

/// INV-5 by count: per coupon, the accepted claims against the sequential judge; claims whose outcome the client never
/// learnt may be on either side.
std::vector<operations::Violation> judge_accepted(std::span<const ClaimOrder> orders, const ClaimRunReport& run,
                                                  const std::vector<std::int64_t>& coupon_ids,
                                                  const std::vector<CouponPlan>& plans);

/// The table: offered, accepted, refused by code, settled, seconds, and what did not hold.
cli::Document campaign_document(const Campaign& campaign, const CampaignReport& report);

}  // namespace flashclaim::bench
