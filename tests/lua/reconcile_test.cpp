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

// More than a call may look at in one moment is counted, walked over by the caller, and counted again.
TEST_F(Reconcile, DoesNotStopRedisForALongStream) {
  publish(100'000, 100'000);
  const auto claim_times = [&](int times) {
    for (int i = 0; i < times; ++i)
      client().append({"FCALL", "claim", "4", keys.coupon, keys.stock, keys.claims, ready, "7", "8"});
    for (int i = 0; i < times; ++i) ASSERT_TRUE(client().read());
  };
  claim_times(128);
  const auto all = look().entries;
  ASSERT_EQ(all.size(), 128U);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.entry < b.entry; }));
  claim_times(1);
  EXPECT_TRUE(look().too_many);
  const auto counters = redis::reconcile_counters(client(), kCoupon);
  ASSERT_TRUE(counters && counters->has_value());
  EXPECT_EQ((*counters)->inflight, 258);
  EXPECT_EQ((*counters)->length, 129);
  EXPECT_EQ((*counters)->added, 129);
  EXPECT_EQ((*counters)->status, "issuing");
  const std::int64_t users[] = {8};
  auto counts = redis::user_counts(client(), kCoupon, {}, users, {});
  ASSERT_TRUE(counts && counts->has_value());
  EXPECT_TRUE((*counts)->behind);
  counts = redis::user_counts(client(), kCoupon, (*counters)->last, users, {});
  ASSERT_TRUE(counts && counts->has_value());
  EXPECT_EQ((*counts)->counts[0], 129);
  claim_times(64);
  counts = redis::user_counts(client(), kCoupon, (*counters)->last, users, {});
  ASSERT_TRUE(counts && counts->has_value());
  EXPECT_EQ((*counts)->in_flight.size(), 64U);
}

TEST_F(Reconcile, RemembersWhatWasReturnedSinceALook) {
  publish(10, 9);
  const auto first = accept({"7", "8"});
  const auto second = accept({"7"});
  const auto third = accept({"9", "9"});
  const auto before = redis::reconcile_counters(client(), kCoupon);
  ASSERT_TRUE(before && before->has_value());
  EXPECT_EQ((*before)->returns, 0);
  ASSERT_EQ(finish(second, 1), "FINISHED");
  ASSERT_EQ(finish(third, 2, {"0=over_limit", "1=over_limit"}), "FINISHED");
  ASSERT_EQ(finish(first, 2, {"1=rejected"}), "FINISHED");
  const auto since = redis::reconcile_counters_since(client(), kCoupon, 0);
  ASSERT_TRUE(since && since->has_value());
  ASSERT_EQ((*since)->returned.size(), 2U);
  EXPECT_EQ((*since)->returned[0].entry, third);
  EXPECT_EQ((*since)->returned[0].claims, 2);
  EXPECT_EQ((*since)->returned[1].entry, first);
  EXPECT_EQ((*since)->returned[1].claims, 1);
  EXPECT_EQ((*since)->now.returns, 2);
  EXPECT_EQ((*since)->now.added - (*since)->now.length, 3);
  const auto one = redis::reconcile_counters_since(client(), kCoupon, 1);
  ASSERT_TRUE(one && one->has_value());
  ASSERT_EQ((*one)->returned.size(), 1U);
  EXPECT_EQ((*one)->returned[0].entry, first);
  EXPECT_EQ(call("reconcile_counters", {keys.coupon, keys.stock, keys.claims}, {"3"}), "FORGOTTEN") << "of the future";
  command({"LTRIM", "coupon:returned:{42}", "1", "-1"});
  EXPECT_EQ(call("reconcile_counters", {keys.coupon, keys.stock, keys.claims}, {"0"}), "FORGOTTEN");
  EXPECT_EQ(call("reconcile_counters", {keys.coupon, keys.stock, keys.claims}, {"1"}).find("FORGOTTEN"),
            std::string::npos);
  command({"DEL", "coupon:returned:{42}"});  // it has expired
  EXPECT_TRUE((*redis::reconcile_counters_since(client(), kCoupon, 1))->forgotten);
  EXPECT_FALSE((*redis::reconcile_counters_since(client(), kCoupon, 2))->forgotten) << "nothing since";
}

TEST_F(Reconcile, HasNothingToShowOfAnUnknownOrLoadingCoupon) {
  auto seen = redis::reconcile_snapshot(client(), kCoupon);
  ASSERT_TRUE(seen);
  EXPECT_FALSE(seen->has_value());
  EXPECT_EQ(call("reconcile_snapshot", {keys.coupon, keys.stock, keys.claims}, {}), "NO_COUPON");
  publish(10, 1);
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 0");
  EXPECT_EQ(call("reconcile_snapshot", {keys.coupon, keys.stock, keys.claims}, {}), "NOT_READY");
  EXPECT_EQ(call("reconcile_counters", {keys.coupon, keys.stock, keys.claims}, {}), "NOT_READY");
  EXPECT_EQ(call("user_counts", {keys.coupon, keys.claims}, {"0-0", "1", "7"}), "NOT_READY");
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
  auto counts = redis::user_counts(client(), kCoupon, {}, users, {});
  ASSERT_TRUE(counts && counts->has_value());
  EXPECT_EQ((*counts)->counts, (std::vector<std::int64_t>{1, 2, 0}));
  EXPECT_EQ((*counts)->last, second);
  ASSERT_EQ((*counts)->in_flight.size(), 3U);
  EXPECT_EQ((*counts)->in_flight[0].entry, first);
  EXPECT_EQ((*counts)->in_flight[0].user_id, 7);
  EXPECT_EQ((*counts)->in_flight[2].entry, second);
  EXPECT_EQ((*counts)->in_flight[2].user_id, 9);
  // Of those that the caller knows, it says which are still there; the rest it lists.
  const EntryId known[] = {first, second};
  ASSERT_EQ(finish(first, 3), "FINISHED");
  const auto third = accept({"9"});
  counts = redis::user_counts(client(), kCoupon, second, users, known);
  ASSERT_TRUE(counts && counts->has_value());
  EXPECT_EQ((*counts)->counts, (std::vector<std::int64_t>{2, 2, 0}));
  EXPECT_EQ((*counts)->present, (std::vector<bool>{false, true}));
  ASSERT_EQ((*counts)->in_flight.size(), 1U);
  EXPECT_EQ((*counts)->in_flight[0].entry, third);
}

}  // namespace flashclaim
