// The life of a coupon: database first, Redis then; every operation may die in between and be repeated.
#include <random>

#include "engine/operations/operations.h"
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"
#include "tests/integration/admin_stores.h"

namespace flashclaim::operations {
namespace {

class CouponOperations : public Stores {
 protected:
  static NewCoupon fresh(std::int64_t id) { return {id, "new", 10, 1, 1'795'380'024'805, 4'000'000'000'000, 1000}; }
  Effect effect(const Result<Operated>& operated) {
    EXPECT_TRUE(operated) << (operated ? "" : operated.error().message);
    if (!operated) return Effect::kUnfinished;
    message_ = operated->message;
    return operated->effect;
  }
  Effect update_total(std::int64_t id, std::int64_t total, std::chrono::seconds drain = std::chrono::seconds(60)) {
    CouponChange change;
    change.total = total;
    return effect(update_coupon(redis(), pg(), id, change, drain));
  }
  postgres::CouponState row(std::int64_t id) {
    const auto state = postgres::coupon_state(pg(), id);
    EXPECT_TRUE(state && state->has_value());
    return state && state->has_value() ? **state : postgres::CouponState{};
  }
  redis::CouponView view(std::int64_t id) {
    redis::CouponView view;
    const auto seen = redis::coupon_view(redis(), id, 0, view);
    EXPECT_TRUE(seen && *seen == redis::ViewState::kFound);
    return view;
  }
  std::string message_;
};

TEST_F(CouponOperations, CreateTwiceIsOnceAndNeverAnotherCoupon) {
  EXPECT_EQ(effect(create_coupon(pg(), fresh(5))), Effect::kDone);
  EXPECT_EQ(effect(create_coupon(pg(), fresh(5))), Effect::kAlready);
  NewCoupon other = fresh(5);
  other.total = 11;
  EXPECT_EQ(effect(create_coupon(pg(), other)), Effect::kRefused);
  EXPECT_EQ(row(5).total_num, 10);
}

TEST_F(CouponOperations, PublishThatDiedBeforeRedisIsCompletedByItsRepetition) {
  ASSERT_EQ(effect(create_coupon(pg(), fresh(5))), Effect::kDone);
  ASSERT_TRUE(postgres::operate_coupon(pg(), 5, postgres::Operation::kPublish));
  EXPECT_EQ(effect(publish_coupon(redis(), pg(), 5)), Effect::kAlready);
  EXPECT_EQ(view(5).left, 10);
  EXPECT_EQ(effect(publish_coupon(redis(), pg(), 5)), Effect::kAlready);
  expect_sound(5);
}

TEST_F(CouponOperations, PublishNeverSetsAStockThatWasClaimed) {
  const auto id = issue(10);
  claim(id, {1, 2});
  EXPECT_EQ(effect(publish_coupon(redis(), pg(), id)), Effect::kAlready);
  EXPECT_EQ(stock(id), 8);
  settle(id);
  EXPECT_EQ(effect(publish_coupon(redis(), pg(), id)), Effect::kAlready);
  expect_sound(id);
}

TEST_F(CouponOperations, ARedisThatLostTheCouponIsNotFilledByAnOperation) {
  const auto id = issue(10);
  claim(id, {1, 2});
  settle(id);
  redis_raw({"FLUSHALL"});
  EXPECT_EQ(effect(publish_coupon(redis(), pg(), id)), Effect::kRefused);
  EXPECT_NE(message_.find("rebuild"), message_.npos);
  EXPECT_EQ(effect(pause_coupon(redis(), pg(), id)), Effect::kRefused);
  ASSERT_TRUE(redis::mark_ready(redis()));
  EXPECT_EQ(effect(resume_coupon(redis(), pg(), id)), Effect::kRefused);
  const auto snapshot = redis::reconcile_snapshot(redis(), id);
  ASSERT_TRUE(snapshot);
  EXPECT_FALSE(snapshot->has_value());
}

TEST_F(CouponOperations, PauseAndResumeLeaveTheStockAlone) {
  const auto id = issue(10);
  claim(id, {1, 2});
  EXPECT_EQ(effect(pause_coupon(redis(), pg(), id)), Effect::kDone);
  EXPECT_EQ(effect(pause_coupon(redis(), pg(), id)), Effect::kAlready);
  EXPECT_TRUE(claim(id, {3}).empty());
  settle(id);
  EXPECT_EQ(effect(resume_coupon(redis(), pg(), id)), Effect::kDone);
  EXPECT_EQ(stock(id), 8);
  EXPECT_EQ(claim(id, {3}).size(), 1U);
  settle(id);
  expect_sound(id);
}

TEST_F(CouponOperations, TheStateMachineRefusesWhatIsNoStep) {
  ASSERT_EQ(effect(create_coupon(pg(), fresh(5))), Effect::kDone);
  EXPECT_EQ(effect(pause_coupon(redis(), pg(), 5)), Effect::kRefused);
  EXPECT_EQ(effect(purge_coupon(redis(), pg(), 5)), Effect::kRefused);
  EXPECT_EQ(effect(publish_coupon(redis(), pg(), 6)), Effect::kNotFound);
  ASSERT_EQ(effect(publish_coupon(redis(), pg(), 5)), Effect::kDone);
  ASSERT_EQ(effect(end_coupon(redis(), pg(), 5)), Effect::kDone);
  EXPECT_EQ(effect(end_coupon(redis(), pg(), 5)), Effect::kAlready);
  EXPECT_EQ(effect(resume_coupon(redis(), pg(), 5)), Effect::kRefused);
  EXPECT_EQ(update_total(5, 20), Effect::kRefused);
}

TEST_F(CouponOperations, RestockWhileClaimsFlow) {
  const auto id = issue(1000, 1000);
  Sale sale(redis_url(), pg_url(), id, 50);
  for (std::int64_t total = 2000; total <= 6000; total += 1000) {
    ASSERT_TRUE(harness::wait_until([&] { return sale.accepted() >= total - 1000; }));
    EXPECT_EQ(update_total(id, total), Effect::kDone);
  }
  ASSERT_TRUE(harness::wait_until([&] { return sale.accepted() == 6000; }));
  sale.stop();
  EXPECT_EQ(sale.trouble(), "");
  EXPECT_EQ(row(id).issue_num, 6000);
  expect_sound(id);
}

TEST_F(CouponOperations, CutWhileClaimsFlow) {
  const auto id = issue(1'000'000, 100'000);
  Sale sale(redis_url(), pg_url(), id, 50);
  ASSERT_TRUE(harness::wait_until([&] { return sale.accepted() > 1000; }));
  const std::int64_t total = sale.accepted() + 20'000;
  EXPECT_EQ(update_total(id, total), Effect::kDone);
  EXPECT_EQ(row(id).total_num, total);
  EXPECT_EQ(row(id).target_total, total);
  sale.stop();
  EXPECT_EQ(sale.trouble(), "");
  expect_sound(id);
  EXPECT_EQ(row(id).issue_num, static_cast<std::int64_t>(sale.acknowledged().size())) << "nobody in flight was refused";
}

TEST_F(CouponOperations, ACutBelowWhatIsGivenIsRefusedAndLeavesNoTrace) {
  const auto id = issue(10);
  claim(id, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(update_total(id, 5), Effect::kRefused) << "six are in flight";
  EXPECT_EQ(row(id).target_total, 10);
  settle(id);
  EXPECT_EQ(update_total(id, 5), Effect::kRefused) << "six are settled";
  EXPECT_EQ(update_total(id, 6), Effect::kDone);
  EXPECT_EQ(stock(id), 0);
  expect_sound(id);
}

TEST_F(CouponOperations, ACutWaitsForWhatIsInFlightAndCanBeRepeated) {
  const auto id = issue(10);
  claim(id, {1, 2, 3});
  EXPECT_EQ(update_total(id, 5, std::chrono::seconds(0)), Effect::kUnfinished);
  EXPECT_EQ(stock(id), 2);
  EXPECT_EQ(row(id).total_num, 10) << "claims in flight must still fit";
  EXPECT_EQ(update_total(id, 4), Effect::kRefused) << "one cut at a time";
  settle(id);
  EXPECT_EQ(update_total(id, 5), Effect::kDone);
  EXPECT_EQ(row(id).total_num, 5);
  EXPECT_EQ(update_total(id, 5), Effect::kAlready);
  expect_sound(id);
}

TEST_F(CouponOperations, ACutUnderWayCanBeTakenBack) {
  const auto id = issue(10);
  claim(id, {1});
  ASSERT_EQ(update_total(id, 5, std::chrono::seconds(0)), Effect::kUnfinished);
  EXPECT_EQ(update_total(id, 10), Effect::kDone);
  EXPECT_EQ(stock(id), 9);
  settle(id);
  expect_sound(id);
}

TEST_F(CouponOperations, ADeadEntryDoesNotHoldUpACut) {
  const auto id = issue(10);
  const auto dead = claim(id, {1});
  ASSERT_TRUE(redis::mark_dead(redis(), id, dead[0].claim.entry));
  EXPECT_EQ(update_total(id, 5), Effect::kDone);
  EXPECT_EQ(stock(id), 4);
  expect_sound(id);
}

TEST_F(CouponOperations, ACutThatRedisNeverHeardOfStandsInNobodysWay) {
  for (const bool pauses : {true, false}) {
    const auto id = issue(10);
    claim(id, {1, 2, 3, 4, 5, 6});
    postgres::CouponChanges cut;
    cut.total = 5;
    ASSERT_TRUE(postgres::update_coupon(pg(), id, cut));  // the operator dies here
    EXPECT_EQ(effect(pauses ? pause_coupon(redis(), pg(), id) : end_coupon(redis(), pg(), id)), Effect::kDone);
    EXPECT_TRUE(claim(id, {7}).empty()) << "Redis heard of the operation";
    EXPECT_EQ(row(id).target_total, 10) << "the cut that does not fit is taken back";
    settle(id);
    expect_sound(id);
  }
}

TEST_F(CouponOperations, LimitsRiseAndEndsMoveBackOnly) {
  const auto id = issue(10, 2);
  CouponChange change;
  change.user_limit = 1;
  EXPECT_EQ(effect(update_coupon(redis(), pg(), id, change)), Effect::kRefused);
  change.user_limit = 3;
  EXPECT_EQ(effect(update_coupon(redis(), pg(), id, change)), Effect::kDone);
  EXPECT_EQ(claim(id, {1, 1, 1, 1}).size(), 3U);
  CouponChange end;
  end.end_ms = row(id).begin_ms + 1;
  EXPECT_EQ(effect(update_coupon(redis(), pg(), id, end)), Effect::kRefused);
  end.end_ms = row(id).end_ms + 1000;
  EXPECT_EQ(effect(update_coupon(redis(), pg(), id, end)), Effect::kDone);
  EXPECT_EQ(view(id).end_ms, *end.end_ms);
}

TEST_F(CouponOperations, ADraftChangesWithoutRedis) {
  ASSERT_EQ(effect(create_coupon(pg(), fresh(5))), Effect::kDone);
  EXPECT_EQ(update_total(5, 7), Effect::kDone);
  EXPECT_EQ(effect(end_coupon(redis(), pg(), 5)), Effect::kDone);
  EXPECT_EQ(effect(purge_coupon(redis(), pg(), 5)), Effect::kDone);
}

TEST_F(CouponOperations, PurgeForgetsEverythingButThatTheIdWasUsed) {
  const auto id = issue(10);
  claim(id, {1, 2});
  ASSERT_EQ(effect(end_coupon(redis(), pg(), id)), Effect::kDone);
  EXPECT_EQ(effect(purge_coupon(redis(), pg(), id)), Effect::kRefused) << "two claims are in flight";
  settle(id);
  EXPECT_EQ(effect(purge_coupon(redis(), pg(), id)), Effect::kDone);
  EXPECT_EQ(effect(purge_coupon(redis(), pg(), id)), Effect::kAlready);
  EXPECT_EQ(sql("SELECT count(*) FROM user_coupon"), "0\n");
  const auto users = scan_user_keys(redis(), id);
  ASSERT_TRUE(users);
  EXPECT_TRUE(users->empty());
  EXPECT_EQ(effect(create_coupon(pg(), fresh(id))), Effect::kRefused);
  expect_sound(id);
}

TEST_F(CouponOperations, PurgeThatDiedAfterTheDatabaseIsCompleted) {
  const auto id = issue(10);
  ASSERT_EQ(effect(end_coupon(redis(), pg(), id)), Effect::kDone);
  ASSERT_TRUE(postgres::purge_coupon(pg(), id));
  EXPECT_EQ(effect(purge_coupon(redis(), pg(), id)), Effect::kAlready);
  const auto snapshot = redis::reconcile_snapshot(redis(), id);
  ASSERT_TRUE(snapshot);
  EXPECT_FALSE(snapshot->has_value());
}

TEST_F(CouponOperations, OperatorsAtOnceLeaveRedisWhereTheDatabaseIs) {
  const auto id = issue(100'000, 100'000);
  Sale sale(redis_url(), pg_url(), id, 50);
  std::vector<std::thread> operators;
  std::atomic<int> failures{0};
  for (int seed = 0; seed < 4; ++seed) {
    operators.emplace_back([&, seed] {
      const auto redis = new_redis();
      const auto pg = new_pg();
      std::mt19937 random(seed);
      for (int i = 0; i < 15; ++i) {
        CouponChange change;
        change.total = 100'000 + static_cast<std::int64_t>(random() % 1000);
        const auto operated = random() % 3 == 0   ? pause_coupon(*redis, *pg, id)
                              : random() % 2 == 0 ? resume_coupon(*redis, *pg, id)
                                                  : update_coupon(*redis, *pg, id, change, std::chrono::seconds(0));
        if (!operated) ++failures;
      }
    });
  }
  for (std::thread& one : operators) one.join();
  sale.stop();
  EXPECT_EQ(failures, 0);
  const std::int64_t total = row(id).total_num;
  ASSERT_TRUE(update_total(id, total) != Effect::kNotFound);  // takes back a cut that is still under way
  const auto snapshot = redis::reconcile_snapshot(redis(), id);
  ASSERT_TRUE(snapshot && snapshot->has_value());
  EXPECT_EQ((*snapshot)->version, row(id).version);
  expect_sound(id);
}

}  // namespace
}  // namespace flashclaim::operations
