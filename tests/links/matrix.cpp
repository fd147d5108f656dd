// Every condition on every link: claims flow before, every answer is honest during, and all is restored by itself
// after.
#include <gtest/gtest.h>

#include <tuple>

#include "tests/links/links.h"

namespace flashclaim::links {
namespace {

using harness::Gate;
using harness::GateMode;

struct Condition {
  const char* name;
  GateMode mode;
  std::int64_t amount;
};
constexpr Condition kConditions[] = {
    {"Refuse", GateMode::kRefuse, 0},  {"Close", GateMode::kClose, 0},         {"Stall", GateMode::kStall, 0},
    {"Cut", GateMode::kCut, 4000},     {"Delay", GateMode::kDelay, 100},       {"Slow", GateMode::kSlow, 4000},
    {"Garble", GateMode::kCorrupt, 1}, {"BlackHole", GateMode::kBlackHole, 0},
};
constexpr int kCuts = 6;
constexpr std::int64_t kSomeAnswers = 60;
constexpr std::int64_t kRedisStallMs = 1000;
constexpr std::int64_t kProgramGrowthMaxKib = 64 * 1024;

class LinkTest : public LinksTest, public ::testing::WithParamInterface<std::tuple<Link, Condition>> {
 protected:
  [[nodiscard]] static Link link() { return std::get<0>(GetParam()); }
  [[nodiscard]] static const Condition& condition() { return std::get<1>(GetParam()); }
  [[nodiscard]] static bool passes_some() {
    return condition().mode == GateMode::kDelay || condition().mode == GateMode::kSlow;
  }
  /// A silent broker is given up after 20 s, a silent PostgreSQL after 5 to 35: the stall waits for that, and the black
  /// hole, which looks the same until then, does not do so once more.
  [[nodiscard]] static bool waits_to_be_named() {
    const bool redis = facts(link()).dependency == "redis";
    return !passes_some() && condition().mode != GateMode::kCut && (redis || condition().mode != GateMode::kBlackHole);
  }

  void expect_more_answers(const Witnesses& witnesses) {
    const auto before = witnesses.answers();
    EXPECT_TRUE(wait_until([&] { return witnesses.answers() >= before + kSomeAnswers; })) << "the engine fell silent";
  }
  /// Only Redis admits claims: whatever else is away, they go on being accepted.
  static bool admits() { return link() != Link::kEngineRedis; }
  void expect_more_while_broken(const Witnesses& witnesses) {
    if (!admits()) return expect_more_answers(witnesses);
    const auto before = witnesses.accepted();
    EXPECT_TRUE(wait_until([&] { return witnesses.accepted() >= before + kSomeAnswers; })) << "nothing is accepted";
  }
  /// BUSY has one good reason here: Redis itself kept a batch for longer than a second (kStallMaxUs in
  /// claim/queue.cpp), which whoever waited for that batch has seen.
  static void expect_all_admitted(const Answered& told) {
    EXPECT_EQ(told.not_ready, 0);
    EXPECT_EQ(told.unknown.size(), 0U);
    EXPECT_TRUE(told.busy == 0 || told.slowest_ms > kRedisStallMs)
        << told.busy << " BUSY though Redis answered within " << told.slowest_ms << " ms";
  }
  void expect_more_rows(std::int64_t coupon) {
    const auto before = counts(coupon).rows;
    EXPECT_TRUE(wait_until([&] { return counts(coupon).rows >= before + 10; })) << "nothing settles";
  }
  void cut_again_and_again(std::int64_t coupon) {
    for (int cut = 0; cut < kCuts; ++cut) {
      const auto amount = condition().amount + 777 * cut;
      const auto before = gate(link()).forwarded();
      gate(link()).set(condition().mode, amount);
      EXPECT_TRUE(wait_until([&] { return gate(link()).forwarded() >= before + amount; })) << "cut " << cut;
    }
    expect_more_rows(coupon);
  }
  void break_it(const Witnesses& witnesses, std::int64_t coupon) {
    if (condition().mode == GateMode::kCut) return cut_again_and_again(coupon);
    gate(link()).set(condition().mode, condition().amount);
    expect_more_while_broken(witnesses);
    if (passes_some()) expect_more_rows(coupon);
    if (!waits_to_be_named()) return;
    EXPECT_TRUE(wait_until([] { return says_broken(link()); })) << "/readyz names nothing";
    expect_more_while_broken(witnesses);
  }
};

TEST_P(LinkTest, BreaksAnswersHonestlyAndHealsByItself) {
  const auto coupon = open_coupon(1'000'000, 5);
  const auto pid = program(link()).pid();
  const auto resident = resident_kib(link());
  Witnesses witnesses(http_port_, coupon);
  expect_more_answers(witnesses);
  expect_more_rows(coupon);

  break_it(witnesses, coupon);
  EXPECT_TRUE(program(link()).running());
  EXPECT_LT(resident_kib(link()), resident + kProgramGrowthMaxKib);

  gate(link()).pass();
  EXPECT_TRUE(wait_until(all_ready)) << "not ready again";
  const auto accepted = witnesses.accepted();
  EXPECT_TRUE(wait_until([&] { return witnesses.accepted() >= accepted + kSomeAnswers; }));
  expect_more_rows(coupon);
  if (admits()) expect_all_admitted(witnesses.stop());
  expect_restored(witnesses, std::string(facts(link()).name) + " " + condition().name);
  EXPECT_TRUE(program(link()).running());
  EXPECT_EQ(program(link()).pid(), pid);
}

std::string name_of(const ::testing::TestParamInfo<LinkTest::ParamType>& info) { return std::get<1>(info.param).name; }
#define FLASHCLAIM_LINK(name) \
  INSTANTIATE_TEST_SUITE_P(   \
      name, LinkTest, ::testing::Combine(::testing::Values(Link::k##name), ::testing::ValuesIn(kConditions)), name_of)
FLASHCLAIM_LINK(EngineRedis);
FLASHCLAIM_LINK(MirrorRedis);
FLASHCLAIM_LINK(MirrorRabbit);
FLASHCLAIM_LINK(ConsumerRedis);
FLASHCLAIM_LINK(ConsumerRabbit);
FLASHCLAIM_LINK(ConsumerPostgres);

}  // namespace
}  // namespace flashclaim::links
