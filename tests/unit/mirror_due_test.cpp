// When old entries are published again, and which coupons are read: against plain restatements of the rules.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "engine/mirror/due.h"
#include "engine/mirror/streams.h"

namespace flashclaim::mirror {
namespace {

const Schedule kMinuteToHour{60000, 3600000};

bool contains(const std::vector<Span>& spans, std::int64_t birth) {
  return std::any_of(spans.begin(), spans.end(), [&](const Span& s) { return s.from <= birth && birth <= s.to; });
}

/// How often an entry is published again within `life`, when sweeps come at the given pace.
std::vector<std::int64_t> ages_of_republish(std::int64_t birth, std::int64_t life, std::int64_t pace) {
  std::vector<std::int64_t> ages;
  for (std::int64_t now = birth; now <= birth + life; now += pace)
    if (contains(due_births(kMinuteToHour, now - pace, now), birth)) ages.push_back(now - birth);
  return ages;
}

TEST(DueBirths, AnEntryIsDueAtDoublingAges) {
  auto ages = ages_of_republish(1'000'000'000, 3'000'000, 1000);
  EXPECT_EQ(ages, (std::vector<std::int64_t>{60000, 120000, 240000, 480000, 960000, 1920000}));
}

TEST(DueBirths, BeyondTheDoublingAnEntryIsDueOnceInEveryHour) {
  auto ages = ages_of_republish(1'000'000'123, 24 * 3600000, 5000);
  ASSERT_GE(ages.size(), 6u + 22u);
  for (std::size_t i = 7; i < ages.size(); ++i) EXPECT_EQ(ages[i] - ages[i - 1], 3600000) << i;
}

// Sweeps that are late or far apart leave nobody out: every due age that passed is covered by the next sweep.
TEST(DueBirths, IrregularSweepsMissNobodyAndRepeatNobody) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::int64_t birth = 5'000'000'000 + static_cast<std::int64_t>(random() % 3600000);
    std::int64_t since = birth;
    std::size_t seen = 0;
    while (since < birth + 3'000'000) {
      std::int64_t now = since + 1 + static_cast<std::int64_t>(random() % 200000);
      bool expected = false;
      for (std::int64_t age = 60000; age <= 3600000; age *= 2) expected |= since < birth + age && birth + age <= now;
      EXPECT_EQ(contains(due_births(kMinuteToHour, since, now), birth), expected);
      seen += expected ? 1 : 0;
      since = now;
    }
    EXPECT_GE(seen, 4u);
  }
}

TEST(DueBirths, WithoutAMemoryEverythingOldIsDueOnce) {
  EXPECT_EQ(due_births(kMinuteToHour, -1, 1'000'000), (std::vector<Span>{{0, 940000}}));
}

TEST(DueBirths, SpansAreInOrderAndApart) {
  for (std::int64_t step : {1, 5000, 60000, 7200000}) {
    auto spans = due_births(kMinuteToHour, 100'000'000, 100'000'000 + step);
    ASSERT_FALSE(spans.empty());
    for (std::size_t i = 0; i < spans.size(); ++i) {
      EXPECT_LE(spans[i].from, spans[i].to);
      if (i > 0) {
        EXPECT_GT(spans[i].from, spans[i - 1].to + 1);
      }
    }
  }
  EXPECT_TRUE(due_births(kMinuteToHour, 5, 5).empty());
}

std::vector<std::int64_t> numbers(std::int64_t from, std::int64_t to) {
  std::vector<std::int64_t> out;
  for (auto i = from; i <= to; ++i) out.push_back(i);
  return out;
}

TEST(StreamSet, AFewCouponsAreAllHot) {
  StreamSet streams;
  EXPECT_EQ(streams.replace(numbers(1, 10)).size(), 10u);
  EXPECT_EQ(streams.hot().size(), 10u);
  EXPECT_TRUE(streams.next_cold(100).empty());
  EXPECT_TRUE(streams.replace(numbers(1, 10)).empty());
  EXPECT_EQ(streams.replace(numbers(5, 11)), std::vector<std::int64_t>{11});
  EXPECT_EQ(streams.hot().size(), 7u);
}

TEST(StreamSet, EveryCouponIsReadWithinOneRotation) {
  StreamSet streams;
  streams.replace(numbers(1, 1000));
  std::multiset<std::int64_t> seen;
  for (auto coupon : streams.hot()) seen.insert(coupon);
  EXPECT_EQ(seen.size(), StreamSet::kHotMax);
  std::size_t left = streams.cold_size();
  while (left > 0) {
    auto chunk = streams.next_cold(std::min<std::size_t>(left, 100));
    ASSERT_FALSE(chunk.empty());
    seen.insert(chunk.begin(), chunk.end());
    left -= chunk.size();
  }
  EXPECT_EQ(std::vector<std::int64_t>(seen.begin(), seen.end()), numbers(1, 1000));
}

TEST(StreamSet, ATouchedCouponIsHotAndTheLeastActiveOneIsNot) {
  StreamSet streams;
  streams.replace(numbers(1, 1000));
  auto last = streams.hot().back();
  streams.touch(900);
  EXPECT_EQ(streams.hot().front(), 900);
  EXPECT_EQ(streams.hot().size(), StreamSet::kHotMax);
  auto hot = streams.hot();
  EXPECT_EQ(std::count(hot.begin(), hot.end(), last), 0);
  streams.touch(5000);
  EXPECT_EQ(streams.hot().front(), 900);
}

TEST(StreamSet, ASuspendedCouponIsLeftOutUntilItsTimeIsOver) {
  StreamSet streams;
  streams.replace({1, 2});
  streams.suspend(1, std::chrono::hours(1));
  EXPECT_EQ(streams.hot(), std::vector<std::int64_t>{2});
  streams.suspend(1, std::chrono::milliseconds(0));
  EXPECT_EQ(streams.hot().size(), 2u);
}

}  // namespace
}  // namespace flashclaim::mirror
