// Restarts that operators make on purpose, under load: engines, mirrors and consumers one by one, and no request fails.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/harness/crowd.h"
#include "tests/harness/folder.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

class RollingRestart : public WholePath {
 protected:
  /// An engine beside the one that runs, on the same port.
  std::unique_ptr<harness::Process> next_engine() {
    admin_port_ = harness::free_ports(1);
    auto engine = engine_again({"--role=http", "--share-port"});
    EXPECT_TRUE(wait_until([&] { return harness::raw_request(admin_port_, "GET", "/readyz").status == 200; }));
    return engine;
  }
  std::unique_ptr<harness::Process> mirror() {
    std::swap(http_port_, mirror_port_);
    auto started = WholePath::engine({"--role=mirror", "--mirror-name=rolling"});
    std::swap(http_port_, mirror_port_);
    return started;
  }
  harness::CrowdOptions crowd(std::int64_t coupon) const {
    harness::CrowdOptions options;
    options.ports = {http_port_};
    options.coupons = {coupon};
    options.per_second = 300;
    options.attempt_ms = 60'000;
    return options;
  }
  /// A connection that was closed before anything left on it is no failed request; everything else is.
  static void expect_none_failed(const harness::CrowdReport& report) {
    EXPECT_EQ(report.attempts.unanswered, 0) << report.attempts.unanswered_reason;
    EXPECT_EQ(report.attempts.outcome_unknown, 0);
    EXPECT_EQ(report.attempts.of(http::Problem::kBusy), 0);
    EXPECT_EQ(report.attempts.of(http::Problem::kNotReady), 0);
    EXPECT_EQ(report.attempts.unexpected, 0) << report.attempts.unexpected_example;
    EXPECT_EQ(report.unlearnt, 0);
    EXPECT_EQ(report.tally.accepted, report.begun);
    std::printf("%lld claims, none failed, %lld connections closed before a request left\n",
                static_cast<long long>(report.begun), static_cast<long long>(report.attempts.not_sent));
  }
  void expect_all_settled(const harness::CrowdReport& report, std::int64_t more = 0) {
    await_rest();
    operations::CheckOptions options;
    options.acknowledged = report.acknowledged;
    EXPECT_EQ(expect_invariants(options).settled, report.tally.accepted + more);
  }

  int mirror_port_ = 0;
};

TEST_F(RollingRestart, OfEnginesFailsNoRequest) {
  http_port_ = harness::free_ports(1);
  engine_ = next_engine();
  const auto mirror_process = mirror();
  consumer_ = consumer();
  const auto coupon = open_coupon(10'000'000, 1'000'000);
  harness::Crowd load(crowd(coupon));
  std::atomic<bool> done{false};
  std::int64_t newcomers = 0;
  std::thread each_on_a_new_connection([&] {
    while (!done) {
      const auto answer = claim(coupon, 7'000'000 + ++newcomers);
      EXPECT_EQ(answer.status, 202) << answer.head << answer.body;
    }
  });
  for (int round = 1; round <= 4; ++round) {
    const auto before = load.accepted();
    auto next = next_engine();
    EXPECT_EQ(engine_->stop(), 0) << engine_->output();
    engine_ = std::move(next);
    EXPECT_TRUE(wait_until([&] { return load.accepted() > before + 100; }));
  }
  done = true;
  each_on_a_new_connection.join();
  const auto report = load.finish();
  expect_none_failed(report);
  expect_all_settled(report, newcomers);
}

TEST_F(RollingRestart, OfMirrorsAndConsumersFailsNoRequestAndLosesNothing) {
  http_port_ = harness::free_ports(1);
  engine_ = next_engine();
  auto mirror_process = mirror();
  consumer_ = consumer();
  auto second = consumer();
  const auto coupon = open_coupon(10'000'000, 1'000'000);
  harness::Crowd load(crowd(coupon));
  for (int round = 1; round <= 3; ++round) {
    for (auto* one : {&consumer_, &second}) {
      const auto before = load.accepted();
      EXPECT_EQ((*one)->stop(), 0) << (*one)->output();
      *one = consumer();
      EXPECT_TRUE(wait_until([&] { return load.accepted() > before + 50; }));
    }
    EXPECT_EQ(mirror_process->stop(), 0) << mirror_process->output();
    mirror_process = mirror();
  }
  const auto report = load.finish();
  expect_none_failed(report);
  expect_all_settled(report);
}

TEST_F(RollingRestart, AnEngineTakesNoPortOfAnotherUnasked) {
  http_port_ = harness::free_ports(1);
  engine_ = next_engine();
  const auto refused = harness::run_program(
      "flashclaim-engine",
      {"--role=http", "--listen=127.0.0.1:" + std::to_string(http_port_), "--admin-listen=127.0.0.1:0"}, environment_);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("is taken by another program"), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace flashclaim
