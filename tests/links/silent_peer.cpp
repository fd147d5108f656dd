// R1: librabbitmq 0.11 can wait for ever in a publish to a peer that fell silent. Ours gives up, and lives on
// meanwhile.
#include <gtest/gtest.h>

#include "bench/load.h"
#include "tests/links/links.h"

namespace flashclaim::links {
namespace {

using harness::GateMode;

class SilentPeer : public LinksTest, public ::testing::WithParamInterface<GateMode> {
 protected:
  /// Entries of up to 256 claims: a window of them is more than the buffers of the sockets take.
  bench::LoadReport pile_up(std::int64_t coupon) const {
    bench::LoadPlan plan;
    plan.address = {"127.0.0.1", http_port_};
    plan.host = plan.address.text();
    plan.coupon_ids = {coupon};
    plan.seconds = 2;
    plan.connections = 64;
    plan.pipeline = 16;
    plan.deadline_ms = 60'000;
    plan.drain_s = 60;
    plan.keep_acknowledged = true;
    auto report = bench::run_load(plan);
    EXPECT_TRUE(report);
    return report ? *report : bench::LoadReport();
  }
  void expect_no_loss(const bench::LoadReport& load) {
    EXPECT_EQ(load.problem, "");
    EXPECT_EQ(load.all.unexpected, 0) << load.all.unexpected_example;
    EXPECT_GE(expect_all_settled(load.acknowledged), load.all.accepted);
  }
};

TEST_P(SilentPeer, ThatStopsReadingABigBacklogIsLeftAndGetsAllOfItLater) {
  const auto coupon = open_coupon(100'000'000, 5);
  const auto resident = resident_kib(Link::kMirrorRabbit);
  gate(Link::kMirrorRabbit).set(GetParam());
  const auto load = pile_up(coupon);
  EXPECT_GT(load.all.accepted, 1000);
  EXPECT_TRUE(wait_until([] { return says_broken(Link::kMirrorRabbit); })) << "it still waits for the silent broker";
  EXPECT_LT(resident_kib(Link::kMirrorRabbit), resident + 128 * 1024);
  gate(Link::kMirrorRabbit).pass();
  EXPECT_TRUE(wait_until(all_ready));
  std::printf("[links] %s piled up %lld claims in %lld entries\n", harness::gate_mode_name(GetParam()),
              static_cast<long long>(load.all.accepted),
              static_cast<long long>(redis_number({"XLEN", redis::CouponKeys(coupon).claims})));
  expect_no_loss(load);
}

TEST_P(SilentPeer, DoesNotHoldUpTheEndOfTheMirror) {
  const auto coupon = open_coupon(100'000'000, 5);
  gate(Link::kMirrorRabbit).set(GetParam());
  const auto load = pile_up(coupon);
  EXPECT_EQ(program(Link::kMirrorRabbit).stop(), 0) << program(Link::kMirrorRabbit).output();
  gate(Link::kMirrorRabbit).pass();
  start_again(Link::kMirrorRabbit);
  expect_no_loss(load);
}

INSTANTIATE_TEST_SUITE_P(Mirror, SilentPeer, ::testing::Values(GateMode::kStall, GateMode::kBlackHole),
                         [](const auto& info) { return info.param == GateMode::kStall ? "Stall" : "BlackHole"; });

}  // namespace
}  // namespace flashclaim::links
