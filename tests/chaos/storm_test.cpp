// The short storm of `make test`, and the proof that its judge would see a wrong refusal and a duplicate.
#include "tests/chaos/storm.h"

#include <gtest/gtest.h>

#include "tests/chaos/storm_judge.h"
#include "tests/harness/folder.h"
#include "tests/harness/witness.h"

namespace flashclaim::chaos {
namespace {

using Kind = operations::ReportedRefusal::Kind;

constexpr std::int64_t kShortSeconds = 35;

TEST(Storm, BreaksNoPromise) {
  StormOptions options;
  options.seconds = kShortSeconds;
  options.seed = static_cast<std::uint64_t>(wall_ms() % 1'000'000);
  options.rate = 600;
  options.gap_ms = 900;
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  const StormReport report = run_storm(options);
  std::printf("%s", text_of(report).c_str());
  EXPECT_TRUE(report.holds());
  for (const std::string& victim : report.victims) {
    const auto fault = report.faults.lower_bound(victim + " ");
    EXPECT_TRUE(fault != report.faults.end() && fault->first.starts_with(victim + " ")) << victim << " was never hurt";
  }
  EXPECT_GT(report.victims.size(), 0U);
  EXPECT_GT(report.acknowledged, 0);
  if (HasFailure()) {
    harness::keep_run_folder();
    std::printf("%s", study_of(report).c_str());
  }
}

/// Two units of a coupon: one given at 1000, one at 2000.
std::vector<Decided> two_given() { return {{71, 2000}, {70, 1000}}; }
Terms terms(std::int64_t total, std::int64_t limit) { return {{{total, 0}}, {{limit, 0}}}; }

std::int64_t judged(Kind verdict, std::int64_t user, std::int64_t sent_ms, std::int64_t received_ms,
                    const Terms& in_force) {
  std::string example;
  return wrong_refusals({{{1, user, verdict}, sent_ms, received_ms}}, two_given(), in_force, &example);
}

TEST(StormJudge, FindsSoldOutWrongBeforeTheLastUnitIsGiven) {
  EXPECT_EQ(judged(Kind::kSoldOut, 9, 1500, 1600, terms(2, 1)), 1);
  EXPECT_EQ(judged(Kind::kSoldOut, 9, 1900, 2100, terms(2, 1)), 0);
  EXPECT_EQ(judged(Kind::kSoldOut, 9, 2500, 2600, terms(3, 1)), 1);
}

TEST(StormJudge, ExcusesSoldOutByATotalThatMayHaveBeenInForce) {
  Terms raised = {{{2, 0, 2400}, {5, 2300}}, {{1, 0}}};
  EXPECT_EQ(judged(Kind::kSoldOut, 9, 2350, 2360, raised), 0);
  EXPECT_EQ(judged(Kind::kSoldOut, 9, 2450, 2460, raised), 0) << "as old as a cached refusal may be";
  EXPECT_EQ(judged(Kind::kSoldOut, 9, 2501, 2600, raised), 1);
}

TEST(StormJudge, FindsLimitReachedWrongForAUserWithLess) {
  EXPECT_EQ(judged(Kind::kLimitReached, 70, 1500, 1600, terms(2, 1)), 0);
  EXPECT_EQ(judged(Kind::kLimitReached, 71, 1500, 1600, terms(2, 1)), 1);
  EXPECT_EQ(judged(Kind::kLimitReached, 70, 1500, 1600, terms(2, 2)), 1);
}

TEST(StormJudge, CountsClaimsThatNobodyAskedFor) {
  CrowdReport crowd;
  EXPECT_EQ(duplicates(1, two_given(), crowd), 2);
  crowd.acknowledged.push_back({{1, 1, {1000, 0}, 0}, 70});
  EXPECT_EQ(duplicates(1, two_given(), crowd), 1);
  crowd.doubts[{1, 71}] = 1;
  EXPECT_EQ(duplicates(1, two_given(), crowd), 0);
}

TEST(StormJudge, CountsEveryRightThatWasDeniedAndNoOtherWord) {
  StormLog log;
  const Denials denials(log);
  harness::judge_output("mirror-a", "ts=1 level=warn event=broker_lost error=ACCESS_REFUSED\n");
  harness::judge_output("engine-a", "ts=2 level=error event=entry_damaged\n");
  EXPECT_EQ(denials.count(), 1);
  ASSERT_EQ(log.wrong_count(), 1);
  EXPECT_NE(log.wrongs()[0].find("mirror-a: ts=1"), std::string::npos) << log.wrongs()[0];
}

TEST(StormSale, TellsTheLowestTotalThatMayBeInForce) {
  Sale sale;
  sale.open({1, 1, 1}, 10);
  sale.total_asked(1, 7);
  const std::int64_t now = wall_ms();
  EXPECT_EQ(lowest(sale.terms()[1].totals, 0, now), 7);
  EXPECT_EQ(sale.highest_total(1), 10);
  sale.total_set(1, 7);
  EXPECT_EQ(sale.highest_total(1), 7);
  sale.total_asked(1, 12);
  sale.total_set(1, 12);
  EXPECT_EQ(lowest(sale.terms()[1].totals, now + 60'000, now + 60'000), 12);
}

}  // namespace
}  // namespace flashclaim::chaos
