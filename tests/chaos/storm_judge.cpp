// Lost, duplicated, wrongly refused: each counted.
#include "tests/chaos/storm_judge.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <unordered_map>

#include "engine/amqp/connection.h"
#include "engine/postgres/ledger.h"
#include "engine/postgres/session.h"
#include "engine/redis/client.h"
#include "tests/harness/witness.h"

namespace flashclaim::chaos {
namespace {

constexpr std::int64_t kCachedMs = 100;  // INV-5: a refusal may be so old
constexpr std::int64_t kClockMs = 2;     // two readings of one clock, rounded
constexpr int kPage = 10'000;

using Times = std::vector<std::int64_t>;

std::int64_t up_to(const Times& sorted, std::int64_t ms) {
  return std::upper_bound(sorted.begin(), sorted.end(), ms) - sorted.begin();
}

std::vector<Decided> decided_of(postgres::Session& pg, std::int64_t coupon, StormLog& log) {
  std::vector<Decided> all;
  for (ClaimId after{coupon, 0, {0, 0}, 0};;) {
    const auto page = postgres::list_claims(pg, after, kPage);
    if (!page) {
      log.wrong("the claims could not be read: " + page.error().message);
      return all;
    }
    for (const postgres::KnownClaim& claim : *page) all.push_back({claim.user_id, claim.id.entry.ms});
    if (page->size() < static_cast<std::size_t>(kPage)) return all;
    after = page->back().id;
  }
}

}  // namespace

std::int64_t wrong_refusals(const std::vector<Refusal>& refusals, std::vector<Decided> decided, const Terms& terms,
                            std::string* example) {
  Times all;
  std::unordered_map<std::int64_t, Times> of_user;
  std::sort(decided.begin(), decided.end(), [](const Decided& a, const Decided& b) { return a.at_ms < b.at_ms; });
  for (const Decided& claim : decided) {
    all.push_back(claim.at_ms);
    of_user[claim.user].push_back(claim.at_ms);
  }
  std::int64_t wrong = 0;
  for (const Refusal& refusal : refusals) {
    const bool sold_out = refusal.told.kind == operations::ReportedRefusal::Kind::kSoldOut;
    const std::int64_t by = refusal.received_ms + kClockMs;
    const std::int64_t given = up_to(sold_out ? all : of_user[refusal.told.user_id], by);
    const std::int64_t needed = lowest(sold_out ? terms.totals : terms.limits, refusal.sent_ms - kCachedMs, by);
    if (given >= needed) continue;
    if (wrong++ == 0) {
      *example = fmt::format("coupon {} user {} was told {} between {} and {}: {} given, {} needed",
                             refusal.told.coupon_id, refusal.told.user_id, sold_out ? "SOLD_OUT" : "LIMIT_REACHED",
                             refusal.sent_ms, refusal.received_ms, given, needed);
    }
  }
  return wrong;
}

std::int64_t duplicates(std::int64_t coupon, const std::vector<Decided>& decided, const CrowdReport& crowd) {
  std::unordered_map<std::int64_t, std::int64_t> excess;
  for (const Decided& claim : decided) ++excess[claim.user];
  for (const operations::Acknowledged& told : crowd.acknowledged) {
    if (told.claim.coupon_id == coupon) --excess[told.user_id];
  }
  for (auto doubt = crowd.doubts.lower_bound({coupon, 0}); doubt != crowd.doubts.end() && doubt->first.first == coupon;
       ++doubt) {
    excess[doubt->first.second] -= doubt->second;
  }
  std::int64_t all = 0;
  for (const auto& [user, count] : excess) all += std::max<std::int64_t>(0, count);
  return all;
}

Denials::Denials(StormLog& log) {
  harness::announce_error("");
  harness::tell_findings_to([this, &log](const std::string& where, const std::string& line) {
    ++count_;
    log.wrong(fmt::format("a right was denied, in {}: {}", where, line));
  });
}
Denials::~Denials() { harness::tell_findings_to(nullptr); }

void judge(Stores stores, const Sale& sale, CrowdReport crowd, StormLog& log, StormReport& report) {
  operations::CheckOptions options;
  options.acknowledged = crowd.acknowledged;
  std::map<std::int64_t, std::vector<Refusal>> refusals;
  for (const Refusal& refusal : crowd.refusals) {
    options.told.push_back(refusal.told);
    refusals[refusal.told.coupon_id].push_back(refusal);
    ++(refusal.told.kind == operations::ReportedRefusal::Kind::kSoldOut ? report.sold_out : report.limit_reached);
  }
  const std::vector<std::int64_t> ids = sale.ids();
  const auto checked = operations::check(stores.redis, stores.pg, &stores.amqp, ids, options);
  if (checked) {
    report.check = *checked;
  } else {
    log.wrong("the checker could not look: " + checked.error().message);
  }
  const auto terms = sale.terms();
  for (const std::int64_t id : ids) {
    const std::vector<Decided> decided = decided_of(stores.pg, id, log);
    std::string example;
    const std::int64_t wrong = wrong_refusals(refusals[id], decided, terms.at(id), &example);
    report.wrong_refusals += wrong;
    if (wrong > 0) log.wrong(fmt::format("{} wrong refusals: {}", wrong, example));
    const std::int64_t twice = duplicates(id, decided, crowd);
    report.duplicated += twice;
    if (twice > 0) log.wrong(fmt::format("coupon {}: {} claims beyond what was asked for", id, twice));
  }
  report.acknowledged = static_cast<std::int64_t>(crowd.acknowledged.size());
  report.lost = report.check.lost;
  report.refused = report.check.refused;
  report.dead = report.check.dead;
  if (report.refused > 0)
    log.wrong(fmt::format("{} claims refused by the database, and no data was lost", report.refused));
  if (report.dead > 0) log.wrong(fmt::format("{} claims are dead letters, and no message was at fault", report.dead));
  if (crowd.unresolved > 0) {
    log.wrong(fmt::format("{} claims had no final answer after all was healed", crowd.unresolved));
  }
  crowd.acknowledged = {};
  crowd.refusals = {};
  crowd.doubts = {};
  report.crowd = std::move(crowd);
}

}  // namespace flashclaim::chaos
