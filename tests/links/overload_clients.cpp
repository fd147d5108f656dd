// More clients than the engine wants: slow ones by the thousand, more than it has room or file descriptors for.
#include <gtest/gtest.h>

#include "tests/harness/folder.h"
#include "tests/harness/paths.h"
#include "tests/links/links.h"
#include "tests/links/slow_clients.h"

namespace flashclaim::links {
namespace {

class OverloadClients : public LinksTest {
 protected:
  void TearDown() override {
    small_.reset();
    LinksTest::TearDown();
  }
  /// An engine of this test's own, with little room.
  void start_small(const std::string& shell_limits, const std::string& flags) {
    http_port_ = harness::free_ports(2);
    const std::string listen = " --listen=127.0.0.1:" + std::to_string(http_port_) +
                               " --admin-listen=127.0.0.1:" + std::to_string(http_port_ + 1);
    small_ = std::make_unique<harness::Process>(
        "/bin/bash",
        std::vector<std::string>{"-c", shell_limits + "exec " + harness::bin_dir() +
                                           "/flashclaim-engine --role=http --threads=1" + listen + flags},
        environment_);
    EXPECT_TRUE(wait_until([&] {
      try {
        return harness::raw_request(http_port_ + 1, "GET", "/readyz").status == 200;
      } catch (const std::runtime_error&) {
        return false;
      }
    })) << small_->output();
  }
  void expect_more_accepted(const Witnesses& witnesses, std::int64_t more) {
    const auto before = witnesses.accepted();
    EXPECT_TRUE(wait_until([&] { return witnesses.accepted() >= before + more; })) << "honest clients are not served";
  }
  std::unique_ptr<harness::Process> small_;
};

TEST_F(OverloadClients, TenThousandSlowOnesAreCutAndHonestOnesServed) {
  constexpr int kClients = 9'999;
  if (const int most = SlowClients::most(); most < kClients) {
    std::printf("UNTRIED: %d slow clients: the hard limit of descriptors leaves %d (ulimit -Hn)\n", kClients, most);
    return;
  }
  const auto coupon = open_coupon(1'000'000, 5);
  const auto resident = resident_kib(Link::kEngineRedis);
  const auto cut_before = metric(Link::kEngineRedis, "flashclaim_http_timed_out_total");
  Witnesses witnesses(http_port_, coupon);
  expect_more_accepted(witnesses, 50);
  SlowClients slow(http_port_, kClients);
  expect_more_accepted(witnesses, 100);
  const auto grown = resident_kib(Link::kEngineRedis) - resident;
  EXPECT_LT(grown, 128 * 1024);
  EXPECT_TRUE(wait_until([&] { return slow.open(SlowKind::kHeaders) + slow.open(SlowKind::kBody) == 0; }))
      << "drips are still there";
  const auto cut = metric(Link::kEngineRedis, "flashclaim_http_timed_out_total") - cut_before;
  EXPECT_GE(cut, kClients / 3 * 2) << "each drip ends by a deadline, not by chance";
  expect_more_accepted(witnesses, 100);
  std::printf("[links] slow clients cost %lld KiB, %d idle ones are left\n", static_cast<long long>(grown),
              slow.open(SlowKind::kIdle));
  expect_restored(witnesses, "slow clients");
}

TEST_F(OverloadClients, BeyondTheBoundIdleOnesGiveWayToHonestOnes) {
  const auto coupon = open_coupon(1'000'000, 5);
  start_small("", " --connections=100");
  SlowClients idle(http_port_, 300);
  Witnesses witnesses(http_port_, coupon);
  expect_more_accepted(witnesses, 50);
  EXPECT_LE(idle.open(SlowKind::kIdle) + idle.open(SlowKind::kHeaders) + idle.open(SlowKind::kBody), 100);
  EXPECT_TRUE(small_->running());
  const Answered& told = witnesses.stop();
  EXPECT_EQ(expect_all_settled(told.acknowledged), told.accepted);
}

/// The clients leave descriptors for the link to Redis, which is lost and made again in the middle.
TEST_F(OverloadClients, TheyNeverTakeTheLastFileDescriptors) {
  const auto coupon = open_coupon(1'000'000, 5);
  environment_["REDIS_URL"] = gate(Link::kEngineRedis).through(environment_.at("REDIS_URL"));
  start_small("ulimit -n 300; ", "");
  SlowClients idle(http_port_, 1'000);
  Witnesses witnesses(http_port_, coupon);
  expect_more_accepted(witnesses, 50);
  gate(Link::kEngineRedis).set(harness::GateMode::kClose);
  gate(Link::kEngineRedis).pass();
  expect_more_accepted(witnesses, 50);
  EXPECT_EQ(small_->output().find("cannot_accept"), std::string::npos) << "it ran out of descriptors";
  witnesses.stop();
  witnesses.ask_again();
  expect_all_settled(witnesses.stop().acknowledged);
}

}  // namespace
}  // namespace flashclaim::links
