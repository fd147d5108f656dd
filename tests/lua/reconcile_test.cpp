// reconcile: one atomic look, and corrections that apply only to what was looked at.
#include <algorithm>

#include "engine/base/digest.h"
#include "tests/lua/fixture.h"

namespace flashclaim {

class Reconcile : public LuaTest {
 protected:
  redis::Snapshot look() {
    auto seen = redis::reconcile_snapshot(client(), kCoupon);
    EXPECT_TRUE(seen) << seen.error().message;
    EXPECT_TRUE(seen->has_value());
    return **seen;
  }
  redis::FixReply fix(const redis::Snapshot& seen, std::int64_t stock_delta, std::int64_t inflight_delta) {
    auto reply = redis::reconcile_fix(client(), kCoupon, seen, stock_delta, inflight_delta);
    EXPECT_TRUE(reply) << reply.error().message;
    return *reply;
  }
};

TEST_F(Reconcile, SeesEverythingAtOnce) {
  publish(10, 9);
  const auto first = accept({"7", "8"});
  const auto second = accept({"7"});
  const auto third = accept({"9"});
  ASSERT_EQ(finish(second, 1), "FINISHED");
  ASSERT_EQ(call("mark_suspect", {keys.coupon}, {}), "MARKED");
  const auto seen = look();
  EXPECT_EQ(seen.epoch, 1);
  EXPECT_EQ(seen.version, 1);
  EXPECT_EQ(seen.fix_seq, 0);
  EXPECT_EQ(seen.suspect, 1);
  EXPECT_EQ(seen.stock, 6);
  EXPECT_EQ(seen.total, 10);
  EXPECT_EQ(seen.inflight, 3);
  EXPECT_EQ(seen.last, third);
  ASSERT_EQ(seen.entries.size(), 2U);
  EXPECT_EQ(seen.entries[0].entry, first);
  EXPECT_EQ(seen.entries[0].claims, 2);
  EXPECT_EQ(seen.entries[1].entry, third);
  EXPECT_EQ(seen.entries[1].claims, 1);
}

TEST_F(Reconcile, SeesMoreEntriesThanOneRangeHolds) {
  publish(100'000, 100'000);
  for (int i = 0; i < 2001; ++i) {
    client().append({"FCALL", "claim", "4", keys.coupon, keys.stock, keys.claims, ready, "7", "8"});
  }
  for (int i = 0; i < 2001; ++i) {
    ASSERT_TRUE(client().read());
  }
  const auto seen = look();
  ASSERT_EQ(seen.entries.size(), 2001U);
  EXPECT_TRUE(std::is_sorted(seen.entries.begin(), seen.entries.end(),
                             [](const auto& a, const auto& b) { return a.entry < b.entry; }));
  EXPECT_EQ(seen.inflight, 4002);
  const std::int64_t users[] = {8};
  const auto counts = redis::user_counts(client(), kCoupon, users);
  ASSERT_TRUE(counts && counts->has_value());
  EXPECT_EQ((*counts)->counts[0], 2001);
  EXPECT_EQ((*counts)->in_flight.size(), 2001U);
}

TEST_F(Reconcile, DoesNotStopRedisForAHugeBacklog) {
  publish(10, 9);
  ASSERT_EQ(
      command({"EVAL", "for i = 1, 200000 do redis.call('XADD', KEYS[1], '*', 'e', '1', 'u', '7', 'h', ARGV[1]) end",
               "1", keys.claims, checksum("1 7")}),
      "(nil)");
  const std::int64_t users[] = {7};
  ASSERT_TRUE(redis::reconcile_snapshot(client(), kCoupon));
  ASSERT_TRUE(redis::user_counts(client(), kCoupon, users));
  command({"XADD", keys.claims, "*", "e", "1", "u", "7", "h", checksum("1 7")});
  EXPECT_EQ(call("reconcile_snapshot", {keys.coupon, keys.stock, keys.claims}, {}), "TOO_MANY");
  EXPECT_EQ(call("user_counts", {keys.coupon, keys.claims}, {"7"}), "TOO_MANY");
  EXPECT_FALSE(redis::reconcile_snapshot(client(), kCoupon));
  EXPECT_FALSE(redis::user_counts(client(), kCoupon, users));
}

TEST_F(Reconcile, HasNothingToShowOfAnUnknownOrLoadingCoupon) {
  auto seen = redis::reconcile_snapshot(client(), kCoupon);
  ASSERT_TRUE(seen);
  EXPECT_FALSE(seen->has_value());
  EXPECT_EQ(call("reconcile_snapshot", {keys.coupon, keys.stock, keys.claims}, {}), "NO_COUPON");
  publish(10, 1);
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 0");
  EXPECT_EQ(call("reconcile_snapshot", {keys.coupon, keys.stock, keys.claims}, {}), "NOT_READY");
  EXPECT_EQ(call("user_counts", {keys.coupon, keys.claims}, {"7"}), "NOT_READY");
}

TEST_F(Reconcile, CorrectsOnceAndClearsTheMark) {
  publish(10, 9);
  ASSERT_EQ(call("mark_suspect", {keys.coupon}, {}), "MARKED");
  const auto seen = look();
  accept({"7"});  // claims in between do not matter: the drift is the same
  EXPECT_EQ(fix(seen, -3, 2), redis::FixReply::kFixed);
  EXPECT_EQ(stock(), "6");
  EXPECT_EQ(field("inflight"), "3");
  EXPECT_EQ(field("fixSeq"), "1");
  EXPECT_EQ(field("suspect"), "(nil)");
  const auto before = picture();
  EXPECT_EQ(fix(seen, -3, 2), redis::FixReply::kMoved) << "never twice";
  EXPECT_EQ(picture(), before);
}

TEST_F(Reconcile, KeepsAMarkThatCameAfterTheLook) {
  publish(10, 9);
  ASSERT_EQ(call("mark_suspect", {keys.coupon}, {}), "MARKED");
  const auto seen = look();
  ASSERT_EQ(call("mark_suspect", {keys.coupon}, {}), "MARKED");
  EXPECT_EQ(fix(seen, 0, 0), redis::FixReply::kFixed);
  EXPECT_EQ(field("suspect"), "2");
  EXPECT_EQ(fix(look(), 0, 0), redis::FixReply::kFixed);
  EXPECT_EQ(field("suspect"), "(nil)");
}

TEST_F(Reconcile, MayLeaveANegativeStockWhichIsSoldOut) {
  publish(2, 9);
  EXPECT_EQ(fix(look(), -5, 0), redis::FixReply::kFixed);
  EXPECT_EQ(look().stock, -3);
  EXPECT_EQ(claim({"7"}), "SOLD_OUT");
  EXPECT_EQ(fix(look(), 4, 0), redis::FixReply::kFixed);
  EXPECT_EQ(claim({"7", "7"}), "ACCEPTED SOLD_OUT");
}

TEST_F(Reconcile, MovesWithTheEpochAndWithARebuild) {
  publish(10, 9);
  const auto seen = look();
  command({"HSET", keys.coupon, "epoch", "2"});
  EXPECT_EQ(fix(seen, 1, 0), redis::FixReply::kMoved);
  command({"HSET", keys.coupon, "epoch", "1"});
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 0");
  EXPECT_EQ(fix(seen, 1, 0), redis::FixReply::kMoved);
  EXPECT_EQ(stock(), "10");
}

TEST_F(Reconcile, CorrectsUserCounts) {
  publish(10, 9);
  accept({"7", "8", "8"});
  const redis::UserDelta deltas[] = {{7, -1}, {8, 1}, {9, 4}};
  auto reply = redis::user_counts_fix(client(), kCoupon, 1, 0, deltas);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(*reply, redis::FixReply::kFixed);
  EXPECT_EQ(held(7), "(nil)");
  EXPECT_EQ(held(8), "3");
  EXPECT_EQ(held(9), "4");
  EXPECT_EQ(field("fixSeq"), "1");
  const auto before = picture();
  reply = redis::user_counts_fix(client(), kCoupon, 1, 0, deltas);
  ASSERT_TRUE(reply);
  EXPECT_EQ(*reply, redis::FixReply::kMoved);
  reply = redis::user_counts_fix(client(), kCoupon, 2, 1, deltas);
  ASSERT_TRUE(reply);
  EXPECT_EQ(*reply, redis::FixReply::kMoved);
  const redis::UserDelta too_much[] = {{8, 1}, {9, -5}};
  reply = redis::user_counts_fix(client(), kCoupon, 1, 1, too_much);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().message, "ARGUMENT delta");
  EXPECT_EQ(picture(), before);
}

TEST_F(Reconcile, ListsTheClaimsInFlightOfTheAskedUsersOnly) {
  publish(10, 9);
  const auto first = accept({"7", "8", "7"});
  const auto second = accept({"77", "9"});
  const std::int64_t users[] = {9, 7, 1};
  const auto counts = redis::user_counts(client(), kCoupon, users);
  ASSERT_TRUE(counts && counts->has_value());
  EXPECT_EQ((*counts)->counts, (std::vector<std::int64_t>{1, 2, 0}));
  EXPECT_EQ((*counts)->last, second);
  ASSERT_EQ((*counts)->in_flight.size(), 3U);
  EXPECT_EQ((*counts)->in_flight[0].entry, first);
  EXPECT_EQ((*counts)->in_flight[0].user_id, 7);
  EXPECT_EQ((*counts)->in_flight[2].entry, second);
  EXPECT_EQ((*counts)->in_flight[2].user_id, 9);
}

}  // namespace flashclaim
