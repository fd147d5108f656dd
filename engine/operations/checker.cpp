// Judges the coupons one by one, then the queues; compares with what clients reported.
#include "engine/operations/checker.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/base/try.h"
#include "engine/operations/checker_coupon.h"
#include "engine/operations/user_keys.h"

namespace flashclaim::operations {
namespace {

/// INV-4: at rest the work queue and the retry queues are empty.
Result<void> check_queues(amqp::Connection& amqp, CheckReport& report) {
  for (const std::string& queue : amqp::queue_names()) {
    if (queue == amqp::kDeadLetterQueue) continue;
    const auto depth = TRY(amqp.queue_depth(queue));
    if (depth != 0) {
      report.violations.push_back({4, 0, depth, fmt::format("queue {} holds {} messages at rest", queue, depth)});
    }
  }
  return {};
}

/// What clients reported, by coupon. Reports a violation when two users got the same claim id.
std::unordered_map<std::int64_t, Reported> by_coupon(const CheckOptions& options, CheckReport& report) {
  std::unordered_map<std::int64_t, Reported> reported;
  for (const Acknowledged& acknowledged : options.acknowledged) {
    const auto [seen, fresh] =
        reported[acknowledged.claim.coupon_id].acknowledged.emplace(acknowledged.claim, acknowledged.user_id);
    if (fresh) {
      ++report.acknowledged;
    } else if (seen->second != acknowledged.user_id) {
      report.violations.push_back({3, acknowledged.claim.coupon_id, 1,
                                   fmt::format("claim {} was acknowledged to user {} and to user {}",
                                               acknowledged.claim.text(), seen->second, acknowledged.user_id)});
    }
  }
  for (const ReportedRefusal& told : options.told) reported[told.coupon_id].told.push_back(told);
  return reported;
}

/// Reports claims of coupons that are not in the list to judge: the caller forgot the coupon.
void check_coverage(const std::unordered_map<std::int64_t, Reported>& reported,
                    std::span<const std::int64_t> coupon_ids, CheckReport& report) {
  const std::unordered_set<std::int64_t> judged(coupon_ids.begin(), coupon_ids.end());
  for (const auto& [coupon_id, list] : reported) {
    if (judged.contains(coupon_id) || list.acknowledged.empty()) continue;
    report.violations.push_back({3, coupon_id, static_cast<std::int64_t>(list.acknowledged.size()),
                                 "claims were acknowledged for a coupon that is not among those checked"});
  }
}

}  // namespace

bool CheckReport::violates(int invariant) const {
  return std::any_of(violations.begin(), violations.end(),
                     [&](const Violation& violation) { return violation.invariant == invariant; });
}

Result<CheckReport> check(redis::Client& redis, postgres::Session& pg, amqp::Connection* amqp,
                          std::span<const std::int64_t> coupon_ids, const CheckOptions& options) {
  CheckReport report;
  // Queues first: the connection is idle during the rest, which may take longer than its heartbeat allows.
  if (options.at_rest && amqp != nullptr) {
    TRY(check_queues(*amqp, report));
  }
  const auto reported = by_coupon(options, report);
  check_coverage(reported, coupon_ids, report);
  const std::int64_t only = coupon_ids.size() == 1 ? coupon_ids.front() : 0;
  const auto counted = TRY(options.at_rest ? scan_user_keys(redis, only, Pace(kScanShare)) : Result(UsersByCoupon()));
  const Reported nothing;
  const std::vector<std::int64_t> nobody;
  for (const std::int64_t id : coupon_ids) {
    const auto told = reported.find(id);
    const auto keys = counted.find(id);
    CouponCheck one(redis, pg, id, options, told == reported.end() ? nothing : told->second,
                    keys == counted.end() ? nobody : keys->second, report);
    TRY(one.run());
    ++report.coupons;
    if (options.progress) options.progress(report.coupons, static_cast<std::int64_t>(coupon_ids.size()));
  }
  return report;
}

}  // namespace flashclaim::operations
