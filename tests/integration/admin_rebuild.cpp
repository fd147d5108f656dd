// Rebuild: after Redis lost its data, nothing but NOT_READY until everything is loaded under a new epoch.
#include "engine/operations/rebuild.h"
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"
#include "engine/postgres/settle.h"
#include "tests/integration/admin_stores.h"

namespace flashclaim::operations {
namespace {

class RebuildDrill : public Stores {
 protected:
  RebuildReport rebuild(std::int64_t id, std::chrono::milliseconds drain = std::chrono::seconds(60)) {
    RebuildOptions options;
    options.drain = drain;
    options.user_chunk = 7;
    const auto report = rebuild_coupon(redis(), pg(), id, options);
    EXPECT_TRUE(report) << (report ? "" : report.error().message);
    return report ? *report : RebuildReport{};
  }
  std::string_view verdict(std::int64_t id, std::int64_t user) {
    const std::vector<redis::ClaimRequest> request = {{user, ""}};
    const auto verdicts = redis::claim(claimer(), id, request);
    EXPECT_TRUE(verdicts);
    return verdicts ? redis::word(verdicts->front()) : "";
  }
  std::vector<std::int64_t> lost() {
    const auto ids = coupons_to_rebuild(redis(), pg());
    EXPECT_TRUE(ids);
    return ids ? *ids : std::vector<std::int64_t>();
  }
};

TEST_F(RebuildDrill, FromTheLossOfEverythingToOpenAgain) {
  const auto id = issue(50, 2);
  const auto ended = issue(10);
  for (std::int64_t user = 1; user <= 30; ++user) claim(id, {user});
  claim(id, {1, 2});
  claim(ended, {1});
  settle(id);
  settle(ended);
  ASSERT_TRUE(end_coupon(redis(), pg(), ended));
  const auto unmirrored = claim(id, {40, 41});  // acknowledged, and lost with the data

  redis_raw({"FLUSHALL"});
  EXPECT_EQ(verdict(id, 50), "NOT_READY");
  EXPECT_EQ(verdict(777, 50), "NOT_READY") << "never NO_COUPON from a Redis that lost its data";
  EXPECT_EQ(lost(), (std::vector{id, ended}));
  const auto early = mark_ready_if_complete(redis(), pg());
  ASSERT_TRUE(early);
  EXPECT_FALSE(*early);

  const auto report = rebuild(id);
  EXPECT_EQ(report.outcome, RebuildOutcome::kOpen);
  EXPECT_EQ(report.epoch, 2);
  EXPECT_EQ(report.stock, 18);
  EXPECT_EQ(report.users, 30);
  EXPECT_EQ(verdict(777, 50), "NOT_READY") << "the other coupon is still missing";
  EXPECT_EQ(rebuild(ended).outcome, RebuildOutcome::kOpen);
  const auto ready = mark_ready_if_complete(redis(), pg());
  ASSERT_TRUE(ready);
  EXPECT_TRUE(*ready);

  EXPECT_EQ(verdict(777, 50), "NO_COUPON");
  EXPECT_EQ(verdict(ended, 50), "ENDED");
  EXPECT_EQ(verdict(id, 1), "LIMIT_REACHED");
  EXPECT_EQ(verdict(id, 3), "ACCEPTED");
  settle(id);
  expect_sound(id);
  expect_sound(ended);
  CheckOptions options;
  options.acknowledged = unmirrored;
  options.lost_allowed = true;
  EXPECT_EQ(judge(id, options).lost, 2);
}

TEST_F(RebuildDrill, TheEpochFencesWhatSurfacesLater) {
  const auto id = issue(2);
  const auto before = claim(id, {1, 2});
  redis_raw({"FLUSHALL"});
  EXPECT_EQ(rebuild(id).stock, 2);
  // The two messages of the lost entries were with the broker all the time.
  std::vector<postgres::SettleClaim> late;
  for (const auto& one : before) late.push_back({id, 1, one.claim.entry, one.claim.index, one.user_id});
  const auto outcomes = postgres::settle_claims(pg(), late);
  ASSERT_TRUE(outcomes);
  EXPECT_EQ((*outcomes)[0].outcome, postgres::Outcome::kStaleEpoch);
  const auto finished =
      redis::finish(redis(), {id, 1, before[0].claim.entry, 2, true, {{0, "stale_epoch"}, {1, "stale_epoch"}}});
  ASSERT_TRUE(finished);
  EXPECT_NE(*finished, redis::FinishReply::kFinished);
  EXPECT_EQ(stock(id), 2) << "nothing is returned twice";
  EXPECT_EQ(claim(id, {3, 4}).size(), 2U);
  settle(id);
  expect_sound(id);
}

TEST_F(RebuildDrill, OfALivingCouponDrainsItFirst) {
  const auto id = issue(1000, 10);
  claim(id, {1, 2, 3});
  std::thread settler([&] {
    const auto redis = new_redis();
    const auto pg = new_pg();
    EXPECT_TRUE(harness::wait_until([&] { return settle_some(*redis, *pg, id) > 0; }));
  });
  const auto report = rebuild(id);
  settler.join();
  EXPECT_EQ(report.outcome, RebuildOutcome::kOpen);
  EXPECT_EQ(report.stock, 997);
  EXPECT_EQ(report.users, 3);
  expect_sound(id);
}

TEST_F(RebuildDrill, ThatCannotDrainStaysFrozenAndCanBeRepeated) {
  const auto id = issue(10);
  claim(id, {1});
  const auto stuck = rebuild(id, std::chrono::milliseconds(0));
  EXPECT_EQ(stuck.outcome, RebuildOutcome::kNotDrained);
  EXPECT_EQ(stuck.entries_left, 1);
  EXPECT_EQ(verdict(id, 2), "NOT_READY");
  settle(id);
  const auto report = rebuild(id);
  EXPECT_EQ(report.outcome, RebuildOutcome::kOpen);
  EXPECT_EQ(report.stock, 9);
  expect_sound(id);
}

TEST_F(RebuildDrill, DeadLettersMustBeDecidedFirst) {
  const auto id = issue(10);
  const auto dead = claim(id, {1});
  ASSERT_TRUE(redis::mark_dead(redis(), id, dead[0].claim.entry));
  EXPECT_EQ(rebuild(id).outcome, RebuildOutcome::kDeadLetters);
  ASSERT_TRUE(redis::unmark_dead(redis(), id, dead[0].claim.entry));
  settle(id);
  EXPECT_EQ(rebuild(id).outcome, RebuildOutcome::kOpen);
  expect_sound(id);
}

TEST_F(RebuildDrill, MayDieAfterAnyStepAndRunAgain) {
  const auto id = issue(10, 3);
  claim(id, {1, 1, 2});
  settle(id);
  const redis::CouponKeys keys(id);
  for (int step = 1; step <= 5; ++step) {
    redis_raw({"DEL", keys.coupon, keys.stock, keys.claims});
    redis_raw({"SET", keys.user(5), "9"});  // what an older life left
    // Dies after `step` of: freeze, epoch, begin, stock, users.
    ASSERT_TRUE(redis::rebuild_freeze(redis(), id));
    std::int64_t epoch = 0;
    if (step >= 2) epoch = postgres::begin_rebuild(pg(), id).value().state.epoch;
    if (step >= 3) {
      ASSERT_TRUE(redis::rebuild_begin(redis(), id, epoch));
    }
    if (step >= 4) {
      ASSERT_TRUE(redis::rebuild_load_stock(redis(), id, epoch, 7));
    }
    if (step >= 5) {
      const std::vector<redis::UserCount> counts = {{1, 2}};
      ASSERT_TRUE(redis::rebuild_load_users(redis(), id, epoch, counts));
    }
    // Redis holds nothing of it before `begin`: a freeze makes nothing, lest it come after a purge.
    EXPECT_EQ(verdict(id, 4), step < 3 ? "NO_COUPON" : "NOT_READY") << "step " << step;
    EXPECT_EQ(lost(), std::vector{id}) << "step " << step;
    EXPECT_EQ(rebuild(id).outcome, RebuildOutcome::kOpen) << "step " << step;
    EXPECT_EQ(lost(), std::vector<std::int64_t>()) << "step " << step;
    expect_sound(id);
  }
}

TEST_F(RebuildDrill, TwoAtOnceLeaveOneSoundCoupon) {
  const auto id = issue(100, 3);
  for (std::int64_t user = 1; user <= 40; ++user) claim(id, {user});
  settle(id);
  for (int round = 0; round < 5; ++round) {
    redis_raw({"FLUSHALL"});
    std::vector<std::thread> operators;
    std::atomic<int> opened{0};
    for (int i = 0; i < 3; ++i) {
      operators.emplace_back([&] {
        const auto redis = new_redis();
        const auto pg = new_pg();
        const auto report = rebuild_coupon(*redis, *pg, id);
        ASSERT_TRUE(report) << report.error().message;
        if (report->outcome == RebuildOutcome::kOpen) ++opened;
      });
    }
    for (std::thread& one : operators) one.join();
    if (opened == 0) {
      EXPECT_EQ(rebuild(id).outcome, RebuildOutcome::kOpen);
    }
    EXPECT_EQ(lost(), std::vector<std::int64_t>());
    expect_sound(id);
  }
}

TEST_F(RebuildDrill, IsAheadOfADatabaseThatIsBehind) {
  const auto id = issue(10);
  redis_raw({"HSET", redis::CouponKeys(id).coupon, "epoch", "5"});  // the database was restored from an older backup
  const auto report = rebuild(id);
  EXPECT_EQ(report.outcome, RebuildOutcome::kOpen);
  EXPECT_EQ(report.epoch, 6);
  expect_sound(id);
}

TEST_F(RebuildDrill, TellsWhatWasOperatedMeanwhile) {
  const auto id = issue(10);
  ASSERT_TRUE(redis::rebuild_freeze(redis(), id));
  CouponChange raise;
  raise.total = 20;
  const auto answer = update_coupon(redis(), pg(), id, raise);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->effect, Effect::kRefused) << "it is loading";
  EXPECT_EQ(rebuild(id).stock, 20);
  expect_sound(id);
}

TEST_F(RebuildDrill, TakesBackACutThatNoLongerFits) {
  const auto id = issue(10);
  const auto accepted = claim(id, {1, 2, 3, 4, 5, 6});
  postgres::CouponChanges cut;
  cut.total = 5;
  ASSERT_TRUE(postgres::update_coupon(pg(), id, cut));  // Redis dies before it hears of it
  settle(id);
  redis_raw({"FLUSHALL"});
  EXPECT_EQ(rebuild(id).stock, 4);
  expect_sound(id);
}

TEST_F(RebuildDrill, WhereRedisRolledBackIsAsked) {
  const auto id = issue(10);
  const std::vector<postgres::SettleClaim> row = {{id, 1, {9'000'000'000'000, 0}, 0, 2}};
  ASSERT_TRUE(postgres::settle_claims(pg(), row));
  EXPECT_EQ(lost(), std::vector{id});
  EXPECT_EQ(rebuild(id).stock, 9);
  EXPECT_EQ(lost(), std::vector<std::int64_t>());
  expect_sound(id);
}

TEST_F(RebuildDrill, IsOnlyForWhatWasIssued) {
  EXPECT_EQ(rebuild(77).outcome, RebuildOutcome::kNotFound);
  const NewCoupon draft{78, "draft", 5, 1, 1'795'380'024'805, 1'795'380'034'805, 10};
  ASSERT_TRUE(create_coupon(pg(), draft));
  EXPECT_EQ(rebuild(78).outcome, RebuildOutcome::kNeverIssued);
  EXPECT_EQ(lost(), std::vector<std::int64_t>());
}

TEST_F(RebuildDrill, TheMarkerOfAFirstStart) {
  redis_raw({"FLUSHALL"});
  const auto fresh = mark_ready_if_new(redis(), pg());
  ASSERT_TRUE(fresh);
  EXPECT_TRUE(*fresh);
  issue(10);
  redis_raw({"FLUSHALL"});
  const auto old = mark_ready_if_new(redis(), pg());
  ASSERT_TRUE(old);
  EXPECT_FALSE(*old) << "a database that has issued meets an empty Redis: that is a loss";
}

}  // namespace
}  // namespace flashclaim::operations
