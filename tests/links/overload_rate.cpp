// More claims than Redis takes: those admitted are answered soon, the others are told BUSY at once, and nothing is
// lost.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "bench/load.h"
#include "tests/links/links.h"

namespace flashclaim::links {
namespace {

using harness::GateMode;
using http::Problem;

class OverloadRate : public LinksTest {
 protected:
  bench::LoadReport load(std::int64_t coupon, double rate, double seconds) const {
    bench::LoadPlan plan;
    plan.address = {"127.0.0.1", http_port_};
    plan.host = plan.address.text();
    plan.coupon_ids = {coupon};
    plan.rate = rate;
    plan.seconds = seconds;
    plan.connections = 256;
    plan.pipeline = 32;
    plan.deadline_ms = 60'000;
    plan.drain_s = 60;
    plan.first_user = first_user_;
    plan.keep_acknowledged = true;
    auto report = bench::run_load(plan);
    EXPECT_TRUE(report);
    return report ? *report : bench::LoadReport();
  }
  void note(const bench::LoadReport& run) {
    EXPECT_EQ(run.problem, "");
    EXPECT_EQ(run.all.unexpected, 0) << run.all.unexpected_example;
    EXPECT_EQ(run.all.unanswered, 0) << run.all.unanswered_reason;
    acknowledged_.insert(acknowledged_.end(), run.acknowledged.begin(), run.acknowledged.end());
  }
  static void print(const char* what, const bench::LoadReport& run) {
    std::printf(
        "[links] %s: accepted %lld, busy %lld, not ready %lld, unknown %lld; service ms p50 %lld p99 %lld max %lld\n",
        what, static_cast<long long>(run.all.accepted), static_cast<long long>(run.all.of(Problem::kBusy)),
        static_cast<long long>(run.all.of(Problem::kNotReady)), static_cast<long long>(run.all.outcome_unknown),
        static_cast<long long>(run.service.percentile(50) / 1000),
        static_cast<long long>(run.service.percentile(99) / 1000), static_cast<long long>(run.service.max() / 1000));
  }
  std::int64_t first_user_ = 3'000'000'000;
  std::vector<admin::Acknowledged> acknowledged_;
};

/// Redis 200 ms away takes one batch per thread and 200 ms: a bound that this machine does not choose.
TEST_F(OverloadRate, OfTwiceTheMaximumTellsBusyAndKeepsTheRestQuick) {
  const auto coupon = open_coupon(1'000'000'000, 5);
  gate(Link::kEngineRedis).set(GateMode::kDelay, 100);
  const auto most = load(coupon, 0, 3);
  note(most);
  const double maximum = static_cast<double>(most.tally.accepted) * 1e6 / static_cast<double>(most.answering_us);
  first_user_ += 1'000'000;
  const auto twice = load(coupon, 2 * maximum, 4);
  note(twice);
  gate(Link::kEngineRedis).pass();
  print("closed loop", most);
  print("twice that", twice);
  EXPECT_GT(twice.all.of(Problem::kBusy), 0);
  EXPECT_GT(twice.all.accepted, most.all.accepted / 4);
  EXPECT_LT(twice.service.max(), 10'000'000) << "the product promises 5 s; this machine is shared";
  const auto unknown = most.all.outcome_unknown + twice.all.outcome_unknown;
  const auto settled = expect_all_settled(acknowledged_);
  EXPECT_GE(settled, most.all.accepted + twice.all.accepted);
  EXPECT_LE(settled, most.all.accepted + twice.all.accepted + unknown);
}

TEST_F(OverloadRate, OfAStalledRedisIsTurnedAwayWithAJitteredRetryAfter) {
  const auto coupon = open_coupon(1'000'000'000, 5);
  const auto resident = resident_kib(Link::kEngineRedis);
  bench::LoadReport run;
  std::thread clients([&] { run = load(coupon, 2'000, 8); });
  EXPECT_TRUE(wait_until([&] {
    return redis_number({"XLEN", redis::CouponKeys(coupon).claims}) > 0 || counts(coupon).rows > 0;
  }));
  const auto paused = std::chrono::steady_clock::now();
  redis_server().pause();
  std::set<std::string> waits;
  EXPECT_TRUE(wait_until([&] {
    const auto answer = claim(coupon, 7, "while-stalled");
    if (answer.status == 503) waits.insert(answer.headers.at("retry-after"));
    return waits.size() >= 2;
  })) << "one Retry-After for all brings all of them back at once";
  EXPECT_TRUE(wait_until([] { return says_broken(Link::kEngineRedis); }));
  EXPECT_LT(resident_kib(Link::kEngineRedis), resident + 128 * 1024);
  redis_server().resume();
  const auto resumed = std::chrono::steady_clock::now();
  const std::chrono::duration<double> stall = resumed - paused;
  EXPECT_TRUE(wait_until([&] { return claim(coupon, 8, "after").status == 202; }));
  const std::chrono::duration<double> back = std::chrono::steady_clock::now() - resumed;
  clients.join();
  note(run);
  print("stalled Redis", run);
  std::printf("[links] back to normal %.1f s after a stall of %.1f s\n", back.count(), stall.count());
  EXPECT_TRUE(wait_until(all_ready));
  EXPECT_GE(expect_all_settled(acknowledged_), run.all.accepted);
}

}  // namespace
}  // namespace flashclaim::links
