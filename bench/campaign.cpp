// Runs the steps one after the other, and puts their figures into a report.
#include "bench/campaign.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <unordered_set>

#include "bench/judge.h"
#include "bench/report.h"
#include "bench/settlement.h"
#include "engine/base/try.h"
#include "engine/loop/loop.h"

namespace flashclaim::bench {
namespace {

constexpr int kOwnInvariant = 5;

/// The steps of one run, in order; each leaves what it found in the report.
class CampaignRun {
 public:
  CampaignRun(const Campaign& campaign, const CampaignOptions& options) : campaign_(campaign), options_(options) {}

  Result<CampaignReport> run() {
    auto engine = TRY(engine_from_environment());
    urls_ = TRY(services_from_environment());
    TRY(open());
    claim(engine);
    settle_and_check();
    if (const std::string complaint = report_.claims.tally.complaint(); !complaint.empty()) note(complaint);
    if (!options_.keep_open) end();
    return std::move(report_);
  }

 private:
  void note(const std::string& problem) {
    if (report_.problem.empty()) report_.problem = problem;
  }

  Result<void> open() {
    Progress bar("coupons", static_cast<std::int64_t>(campaign_.coupons.size()), options_.progress);
    SaleOptions sale;
    sale.interrupted = options_.interrupted;
    sale.progress = [&](std::int64_t done) { bar.show(done); };
    std::int64_t start = loop::now_us();
    auto ids = TRY(open_sale(urls_, campaign_.coupons, sale));
    report_.sale_us = loop::now_us() - start;
    report_.coupon_ids = std::move(ids);
    for (const CouponPlan& plan : campaign_.coupons) report_.stock += plan.total;
    return {};
  }

  void claim(const EngineAddress& engine) {
    for (const PlannedClaim& claim : campaign_.claims)
      orders_.push_back({report_.coupon_ids[claim.coupon], claim.user_id});
    Progress bar("claims", static_cast<std::int64_t>(orders_.size()), options_.progress);
    ClaimRunOptions run;
    run.address = engine.address;
    run.host = engine.host;
    run.connections = options_.connections;
    run.give_up_after_ms = options_.stall_ms;
    run.interrupted = options_.interrupted;
    run.progress = [&](std::int64_t done) { bar.show(done); };
    report_.claims = run_claims(orders_, run);
    if (!report_.claims.stopped.empty()) note("claims: " + report_.claims.stopped);
    std::unordered_set<std::int64_t> users;
    for (const operations::Acknowledged& claim : report_.claims.acknowledged) users.insert(claim.user_id);
    report_.users_accepted = static_cast<std::int64_t>(users.size());
  }

  void settle_and_check() {
    auto stores = connect_stores(urls_);
    if (!stores) return note(stores.error().message);
    auto broker = connect_broker(urls_);
    if (!broker) return note(broker.error().message);
    settle(stores->redis, **broker);
    operations::CheckOptions check;
    check.at_rest = report_.problem.empty();
    check.acknowledged = report_.claims.acknowledged;
    check.told = report_.claims.told;
    std::int64_t start = loop::now_us();
    auto checked = operations::check(stores->redis, *stores->pg, broker->get(), report_.coupon_ids, check);
    if (!checked) return note("the invariants could not be checked: " + checked.error().message);
    report_.check = std::move(*checked);
    report_.check_us = loop::now_us() - start;
    if (!report_.claims.stopped.empty()) return;
    for (operations::Violation& violation :
         judge_accepted(orders_, report_.claims, report_.coupon_ids, campaign_.coupons))
      report_.check.violations.push_back(std::move(violation));
  }

  void settle(redis::Client& redis, amqp::Connection& broker) {
    std::int64_t accepted = report_.claims.tally.accepted;
    Progress bar("settled", accepted, options_.progress);
    SettlementOptions settlement;
    settlement.stall_ms = options_.stall_ms;
    settlement.interrupted = options_.interrupted;
    settlement.progress = [&](const Backlog& left) { bar.show(std::max<std::int64_t>(accepted - left.claims, 0)); };
    auto waited = wait_settled(redis, broker, report_.coupon_ids, settlement);
    if (!waited) return note(waited.error().message);
    report_.settlement_us = *waited;
  }

  void end() {
    auto ended = end_sale(urls_, report_.coupon_ids, SaleOptions{});
    if (!ended) note("the coupons could not be ended: " + ended.error().message);
  }

  const Campaign& campaign_;
  const CampaignOptions& options_;
  ServiceUrls urls_;
  std::vector<ClaimOrder> orders_;
  CampaignReport report_;
};

}  // namespace

bool CampaignReport::passed() const { return problem.empty() && check.holds() && claims.tally.unexpected == 0; }

Result<CampaignReport> run_campaign(const Campaign& campaign, const CampaignOptions& options) {
  return CampaignRun(campaign, options).run();
}

std::vector<operations::Violation> judge_accepted(std::span<const ClaimOrder> orders, const ClaimRunReport& run,
                                                  const std::vector<std::int64_t>& coupon_ids,
                                                  const std::vector<CouponPlan>& plans) {
  std::map<std::int64_t, CouponTerms> terms;
  for (std::size_t i = 0; i < coupon_ids.size(); ++i) terms[coupon_ids[i]] = {plans[i].total, plans[i].user_limit};
  std::map<std::int64_t, std::int64_t> accepted;
  for (const operations::Acknowledged& claim : run.acknowledged) ++accepted[claim.claim.coupon_id];
  std::vector<operations::Violation> found;
  for (const auto& [coupon, wanted] : sequential_judge(orders, terms)) {
    std::int64_t got = accepted[coupon];
    auto unlearnt = run.unlearnt.find(coupon);
    std::int64_t most = got + (unlearnt == run.unlearnt.end() ? 0 : unlearnt->second);
    if (got <= wanted && wanted <= most) continue;
    found.push_back({kOwnInvariant, coupon, std::abs(wanted - got),
                     fmt::format("{} claims were accepted where a sequential judge accepts {}", got, wanted)});
  }
  return found;
}

cli::Document campaign_document(const Campaign& campaign, const CampaignReport& report) {
  using cli::Cell;
  const Tally& tally = report.claims.tally;
  cli::Document document;
  document.add("coupons", Cell::number(static_cast<std::int64_t>(report.coupon_ids.size())));
  if (!report.coupon_ids.empty()) {
    auto [first, last] = std::minmax_element(report.coupon_ids.begin(), report.coupon_ids.end());
    document.add("firstCouponId", Cell::id(*first)).add("lastCouponId", Cell::id(*last));
  }
  document.add("stock", Cell::number(report.stock))
      .add("offered", Cell::number(static_cast<std::int64_t>(campaign.claims.size())))
      .add("accepted", Cell::number(tally.accepted))
      .add("usersAccepted", Cell::number(report.users_accepted))
      .add("refused", Cell::number(tally.refused_total()))
      .add("outcomeUnknown", Cell::number(tally.outcome_unknown))
      .add("unanswered", Cell::number(tally.unanswered))
      .add("unexpected", Cell::number(tally.unexpected))
      .add("retries", Cell::number(report.claims.retries))
      .add("settled", Cell::number(report.check.settled))
      .add("refusedLater", Cell::number(report.check.refused))
      .add("untold", Cell::number(report.check.untold))
      .add("left", Cell::number(report.check.left))
      .add("saleSeconds", seconds_cell(report.sale_us))
      .add("claimSeconds", seconds_cell(report.claims.elapsed_us))
      .add("settlementSeconds", seconds_cell(report.settlement_us))
      .add("checkSeconds", seconds_cell(report.check_us))
      .add("answersPerSecond", per_second_cell(tally.attempts(), report.claims.elapsed_us));
  if (!tally.unexpected_example.empty()) document.add("unexpectedAnswer", Cell::text(tally.unexpected_example));
  if (!tally.unanswered_reason.empty()) document.add("unansweredReason", Cell::text(tally.unanswered_reason));
  if (!report.problem.empty()) document.add("problem", Cell::text(report.problem));
  document.add("passed", Cell::flag(report.passed()));
  document.add("durations", durations_table({{"answers", &report.claims.latency_us}}));
  document.add("refusals", refusals_table(tally));
  document.add("violations", violations_table(report.check));
  return document;
}

}  // namespace flashclaim::bench
