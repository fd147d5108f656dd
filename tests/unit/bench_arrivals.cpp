// The schedule of an open-loop load.
#include <gtest/gtest.h>

#include "bench/arrivals.h"

namespace flashclaim::bench {
namespace {

TEST(Arrivals, AreEquallySpacedFromTheStart) {
  Arrivals arrivals(1000, 2);
  EXPECT_EQ(arrivals.total(), 2000);
  EXPECT_EQ(arrivals.due_us(0), 0);
  EXPECT_EQ(arrivals.due_us(1), 1000);
  EXPECT_EQ(arrivals.due_us(1999), 1'999'000);
}

TEST(Arrivals, NeverDriftAtRatesThatDoNotDivideASecond) {
  Arrivals arrivals(29'999, 3600);
  EXPECT_EQ(arrivals.total(), 29'999LL * 3600);
  for (std::int64_t second = 0; second <= 3600; second += 60)
    EXPECT_EQ(arrivals.due_us(29'999 * second), second * 1'000'000) << second;
}

TEST(Arrivals, CountsWhatIsDueExactlyAsScheduled) {
  for (double rate : {0.5, 3.0, 7.77, 999.9, 30'000.0, 123'457.0, 1e7}) {
    Arrivals arrivals(rate, 40 / rate);
    EXPECT_EQ(arrivals.due_by(-1), 0);
    for (std::int64_t i = 0; i < arrivals.total(); ++i) {
      std::int64_t due = arrivals.due_us(i);
      EXPECT_GE(arrivals.due_by(due), i + 1) << rate << " " << i;
      EXPECT_LE(arrivals.due_by(due - 1), i) << rate << " " << i;
    }
  }
}

TEST(Arrivals, EndWithTheSchedule) {
  Arrivals arrivals(100, 1);
  EXPECT_EQ(arrivals.due_by(1'000'000'000), 100);
  EXPECT_LT(arrivals.due_us(99), 1'000'000);
}

}  // namespace
}  // namespace flashclaim::bench
