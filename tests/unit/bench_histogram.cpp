// The histogram against exact percentiles of the same values.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "bench/histogram.h"

namespace flashclaim::bench {
namespace {

/// The definition: the smallest value that at least `percent` of all values do not exceed.
std::int64_t exact(std::vector<std::int64_t> values, int per_100000) {
  std::sort(values.begin(), values.end());
  auto size = static_cast<std::int64_t>(values.size());
  std::int64_t rank = (size * per_100000 + 99'999) / 100'000;
  return values[static_cast<std::size_t>(std::max<std::int64_t>(rank, 1) - 1)];
}

void expect_close(const Histogram& histogram, const std::vector<std::int64_t>& values) {
  for (int per_100000 : {1, 1'000, 10'000, 50'000, 90'000, 99'000, 99'900, 99'990, 99'999, 100'000}) {
    std::int64_t want = exact(values, per_100000);
    std::int64_t got = histogram.percentile(per_100000 / 1000.0);
    EXPECT_GE(got, want) << per_100000;
    EXPECT_LE(got, want + want / 1024) << per_100000;
  }
}

TEST(Histogram, IsEmptyAtFirst) {
  Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.percentile(99), 0);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.mean(), 0);
}

TEST(Histogram, KeepsSmallValuesExactly) {
  Histogram histogram;
  std::vector<std::int64_t> values;
  for (std::int64_t value = 0; value < 2048; ++value) values.push_back(value);
  for (std::int64_t value : values) histogram.record(value);
  for (int percent = 1; percent <= 100; ++percent)
    EXPECT_EQ(histogram.percentile(percent), exact(values, percent * 1000)) << percent;
}

TEST(Histogram, IsWithinAThousandthOfExactPercentiles) {
  std::mt19937_64 random(42);
  std::lognormal_distribution<double> lognormal(7, 2);
  std::uniform_int_distribution<std::int64_t> uniform(0, 3'600'000'000);
  for (int round = 0; round < 20; ++round) {
    Histogram histogram;
    std::vector<std::int64_t> values;
    for (int i = 0; i < 5'000; ++i) {
      auto value = round % 2 ? uniform(random) : std::min<std::int64_t>(std::llround(lognormal(random)), 3'600'000'000);
      values.push_back(value);
      histogram.record(value);
    }
    expect_close(histogram, values);
    EXPECT_EQ(histogram.min(), *std::min_element(values.begin(), values.end()));
    EXPECT_EQ(histogram.max(), *std::max_element(values.begin(), values.end()));
    EXPECT_EQ(histogram.percentile(100), histogram.max());
  }
}

TEST(Histogram, IsRightAtEveryBucketBoundary) {
  for (int bit = 11; bit <= 31; ++bit)
    for (std::int64_t value : {(std::int64_t{1} << bit) - 1, std::int64_t{1} << bit, (std::int64_t{1} << bit) + 1}) {
      Histogram histogram;
      histogram.record(value);
      histogram.record(3'600'000'000);  // so that the maximum does not correct the answer
      EXPECT_GE(histogram.percentile(50), value);
      EXPECT_LE(histogram.percentile(50), value + value / 1024);
    }
}

TEST(Histogram, MergesToWhatOneWouldHaveRecorded) {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<std::int64_t> uniform(0, 10'000'000);
  Histogram one, left, right;
  for (int i = 0; i < 10'000; ++i) {
    std::int64_t value = uniform(random);
    one.record(value);
    (i % 3 ? left : right).record(value);
  }
  left.merge(right);
  left.merge(Histogram());
  EXPECT_EQ(left.count(), one.count());
  EXPECT_EQ(left.min(), one.min());
  EXPECT_EQ(left.max(), one.max());
  EXPECT_DOUBLE_EQ(left.mean(), one.mean());
  for (double percent : {0.1, 1.0, 50.0, 99.0, 99.9, 100.0})
    EXPECT_EQ(left.percentile(percent), one.percentile(percent));
}

TEST(Histogram, SaysWhenAValueWasBeyondItsRange) {
  Histogram histogram(1000);
  histogram.record(1000);
  EXPECT_EQ(histogram.clamped(), 0u);
  histogram.record(1001, 3);
  histogram.record(-5);
  EXPECT_EQ(histogram.clamped(), 3u);
  EXPECT_EQ(histogram.max(), 1000);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.count(), 5u);
}

}  // namespace
}  // namespace flashclaim::bench
