// Which coupons' streams are read: the active ones each turn, every other one within a rotation.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/mirror/streams.h"

namespace flashclaim::mirror {
namespace {

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
