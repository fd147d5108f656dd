// Marks, retire, purge and the views.
#include "tests/lua/fixture.h"

namespace flashclaim {

class Marks : public LuaTest {};

TEST_F(Marks, OnlyAnEntryThatExistsCanBeDead) {
  publish(10, 9);
  const auto entry = accept({"7"});
  EXPECT_TRUE(*redis::mark_dead(client(), kCoupon, entry));
  EXPECT_TRUE(*redis::mark_dead(client(), kCoupon, entry));
  EXPECT_EQ(command({"SMEMBERS", keys.dead}), entry.text());
  EXPECT_TRUE(redis::unmark_dead(client(), kCoupon, entry));
  EXPECT_EQ(command({"EXISTS", keys.dead}), "0");
  ASSERT_EQ(finish(entry, 1), "FINISHED");
  EXPECT_FALSE(*redis::mark_dead(client(), kCoupon, entry));
  EXPECT_EQ(command({"EXISTS", keys.dead}), "0");
}

TEST_F(Marks, SuspectMarksAreCounted) {
  EXPECT_FALSE(*redis::mark_suspect(client(), kCoupon));
  publish(10, 9);
  EXPECT_TRUE(*redis::mark_suspect(client(), kCoupon));
  EXPECT_TRUE(*redis::mark_suspect(client(), kCoupon));
  EXPECT_EQ(field("suspect"), "2");
}

TEST_F(Marks, RetireKeepsWhatIsOpenOrInFlight) {
  EXPECT_FALSE(*redis::retire_coupon(client(), kCoupon)) << "unknown";
  publish(10, 9);
  EXPECT_FALSE(*redis::retire_coupon(client(), kCoupon)) << "open";
  accept({"7"});
  auto next = settings(10, 9);
  next.version = 2;
  next.begin_ms -= kHourMs;
  next.end_ms = now_ms() - 1000;
  ASSERT_EQ(apply(next), "APPLIED");
  EXPECT_FALSE(*redis::retire_coupon(client(), kCoupon)) << "past its end, in flight";
  ASSERT_EQ(finish(last_entry(), 1), "FINISHED");
  EXPECT_TRUE(*redis::retire_coupon(client(), kCoupon));
  EXPECT_EQ(command({"EXISTS", issuing}), "0");
  EXPECT_EQ(field("status"), "ended") << "a clock set back must not open it";
  next.version = 3;
  next.end_ms = now_ms() + kHourMs;
  ASSERT_EQ(apply(next), "APPLIED");
  EXPECT_EQ(claim({"7"}), "ACCEPTED") << "an extension opens it again";
}

TEST_F(Marks, RetireKeepsWhatIsSuspect) {
  auto coupon = settings(10, 9);
  coupon.begin_ms -= kHourMs;
  coupon.end_ms = now_ms() - 1000;
  publish(coupon);
  ASSERT_TRUE(*redis::mark_suspect(client(), kCoupon));
  EXPECT_FALSE(*redis::retire_coupon(client(), kCoupon)) << "the reconciler looks at what is in coupon:issuing";
  EXPECT_EQ(command({"SMEMBERS", issuing}), "42");
  command({"HDEL", keys.coupon, "suspect"});
  EXPECT_TRUE(*redis::retire_coupon(client(), kCoupon));
}

// Redis' clock cannot be moved here: the end is, and the mirror asks in between.
TEST_F(Marks, WhatAClockAheadRetiredIsOpenedByTheSameVersion) {
  const auto coupon = settings(10, 9);
  publish(coupon);
  accept({"7"});
  ASSERT_EQ(finish(last_entry(), 1), "FINISHED");
  command({"HSET", keys.coupon, "issueEndTime", std::to_string(now_ms() - 1)});
  ASSERT_TRUE(*redis::retire_coupon(client(), kCoupon));
  EXPECT_EQ(apply(coupon), "REOPENED") << "its end is ahead by what was told and by the clock";
  command({"HSET", keys.coupon, "issueEndTime", std::to_string(coupon.end_ms)});
  EXPECT_EQ(field("status"), "issuing");
  EXPECT_EQ(command({"SMEMBERS", issuing}), "42");
  EXPECT_EQ(stock(), "9");
  EXPECT_EQ(claim({"8"}), "ACCEPTED");
  EXPECT_EQ(apply(coupon), "OLD");
}

TEST_F(Marks, WhatIsReallyOverStaysRetired) {
  auto coupon = settings(10, 9);
  coupon.begin_ms -= kHourMs;
  coupon.end_ms = now_ms() - 1000;
  publish(coupon);
  ASSERT_TRUE(*redis::retire_coupon(client(), kCoupon));
  EXPECT_EQ(apply(coupon), "OLD");
  auto ended = settings(10, 9);
  ended.version = 2;
  ended.status = "ended";
  ASSERT_EQ(apply(ended), "APPLIED");
  EXPECT_EQ(apply(settings(10, 9)), "OLD") << "an older version";
  EXPECT_EQ(apply(ended), "OLD");
  EXPECT_EQ(field("status"), "ended");
}

TEST_F(Marks, RetireKeepsACouponThatIsBeingRebuilt) {
  publish(10, 9);
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 0");
  EXPECT_FALSE(*redis::retire_coupon(client(), kCoupon));
}

TEST_F(Marks, PurgeRemovesAnEndedAndDrainedCouponOnly) {
  auto coupon = settings(10, 9);
  publish(coupon);
  const auto entry = accept({"7"});
  EXPECT_EQ(*redis::purge_coupon(client(), kCoupon), redis::PurgeReply::kNotEnded);
  coupon.version = 2;
  coupon.status = "ended";
  ASSERT_EQ(apply(coupon), "APPLIED");
  EXPECT_EQ(*redis::purge_coupon(client(), kCoupon), redis::PurgeReply::kNotEmpty);
  EXPECT_EQ(stock(), "9");
  ASSERT_EQ(finish(entry, 1), "FINISHED");
  command({"DEL", keys.user(7), keys.result(entry)});  // flashctl scans the users away before
  EXPECT_EQ(*redis::purge_coupon(client(), kCoupon), redis::PurgeReply::kPurged);
  EXPECT_EQ(command({"KEYS", "*"}), ready);
  EXPECT_EQ(*redis::purge_coupon(client(), kCoupon), redis::PurgeReply::kPurged) << "repeatable";
}

TEST_F(Marks, PurgeRemovesWhatARebuildLeftLoading) {
  publish(10, 9);
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 0");
  EXPECT_EQ(*redis::purge_coupon(client(), kCoupon), redis::PurgeReply::kPurged);
  EXPECT_EQ(command({"KEYS", "*{42}*"}), "");
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 0");
  EXPECT_EQ(command({"KEYS", "*{42}*"}), "") << "a freeze that comes after it";
}

class Views : public LuaTest {};

TEST_F(Views, ShowAClaimOnItsWay) {
  publish(10, 9);
  const auto entry = accept({"7", "8"});
  ClaimId claim{kCoupon, 1, entry, 1};
  auto view = redis::claim_view(client(), claim);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->state, redis::ClaimState::kPending);
  EXPECT_EQ(view->user_id, 8);
  ASSERT_EQ(finish(entry, 2, {"1=rejected"}), "FINISHED");
  view = redis::claim_view(client(), claim);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->state, redis::ClaimState::kRefused);
  EXPECT_EQ(view->user_id, 8);
  EXPECT_EQ(view->reason, "rejected");
  claim.index = 0;
  view = redis::claim_view(client(), claim);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->state, redis::ClaimState::kSettled);
  EXPECT_EQ(view->user_id, 7);
  command({"DEL", keys.result(entry)});
  EXPECT_EQ(redis::claim_view(client(), claim)->state, redis::ClaimState::kNone);
}

TEST_F(Views, ShowNoClaimThatWasNeverMade) {
  publish(10, 9);
  const auto entry = accept({"7"});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(redis::claim_view(client(), {kCoupon, 1, entry, 1})->state, redis::ClaimState::kNone);
    EXPECT_EQ(redis::claim_view(client(), {kCoupon, 2, entry, 0})->state, redis::ClaimState::kNone);
    EXPECT_EQ(redis::claim_view(client(), {kCoupon, 1, {entry.ms, entry.seq + 1}, 0})->state, redis::ClaimState::kNone);
    finish(entry, 1);
  }
}

TEST_F(Views, SayNotReadyInsteadOfNotFoundAfterALoss) {
  EXPECT_EQ(redis::claim_view(client(), {kCoupon, 1, {5, 0}, 0})->state, redis::ClaimState::kNotReady);
  redis::CouponView view;
  EXPECT_EQ(*redis::coupon_view(client(), kCoupon, 0, view), redis::ViewState::kNotReady);
  ASSERT_TRUE(redis::mark_ready(client()));
  EXPECT_EQ(redis::claim_view(client(), {kCoupon, 1, {5, 0}, 0})->state, redis::ClaimState::kNone);
  EXPECT_EQ(*redis::coupon_view(client(), kCoupon, 0, view), redis::ViewState::kNoCoupon);
  ASSERT_TRUE(redis::rebuild_begin(client(), kCoupon, 2));
  EXPECT_EQ(redis::claim_view(client(), {kCoupon, 1, {5, 0}, 0})->state, redis::ClaimState::kNotReady);
  EXPECT_EQ(*redis::coupon_view(client(), kCoupon, 0, view), redis::ViewState::kNotReady);
}

TEST_F(Views, ShowACouponAndWhatTheUserHolds) {
  const auto coupon = settings(10, 3);
  publish(coupon);
  accept({"7", "7", "8"});
  redis::CouponView view;
  const auto before = now_ms();
  ASSERT_EQ(*redis::coupon_view(client(), kCoupon, 7, view), redis::ViewState::kFound);
  EXPECT_EQ(view.status, "issuing");
  EXPECT_EQ(view.name, "A coupon");
  EXPECT_EQ(view.begin_ms, coupon.begin_ms);
  EXPECT_EQ(view.end_ms, coupon.end_ms);
  EXPECT_GE(view.now_ms, before);
  EXPECT_LE(view.now_ms, now_ms());
  EXPECT_EQ(view.total, 10);
  EXPECT_EQ(view.left, 7);
  EXPECT_EQ(view.user_limit, 3);
  EXPECT_EQ(view.mine, 2);
  EXPECT_EQ(view.version, 1);
  ASSERT_EQ(*redis::coupon_view(client(), kCoupon, 0, view), redis::ViewState::kFound);
  EXPECT_EQ(view.mine, 0);
}

TEST_F(Views, ShowIssuingPastItsEndAsEndedAndNoNegativeStock) {
  auto coupon = settings(10, 3);
  coupon.begin_ms -= kHourMs;
  coupon.end_ms = now_ms() - 1;
  publish(coupon);
  command({"SET", keys.stock, "-4"});
  redis::CouponView view;
  ASSERT_EQ(*redis::coupon_view(client(), kCoupon, 0, view), redis::ViewState::kFound);
  EXPECT_EQ(view.status, "ended");
  EXPECT_EQ(view.left, 0);
}

}  // namespace flashclaim
