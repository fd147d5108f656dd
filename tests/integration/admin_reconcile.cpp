// Reconcile: finds an injected difference to the unit, while claims run, and mends it once.
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"
#include "engine/postgres/settle.h"
#include "tests/integration/admin_stores.h"

namespace flashclaim::operations {
namespace {

class Reconcile : public Stores {
 protected:
  ReconcileReport run(std::int64_t coupon_id, bool fix = false) {
    ReconcileOptions options;
    options.fix = fix;
    options.user_chunk = 50;
    const auto counted = scan_user_keys(redis(), coupon_id);
    EXPECT_TRUE(counted);
    const auto strays = counted->find(coupon_id);
    if (strays != counted->end()) options.strays = &strays->second;
    const auto report = reconcile(redis(), pg(), coupon_id, options);
    EXPECT_TRUE(report) << (report ? "" : report.error().message);
    return report ? *report : ReconcileReport{};
  }
  void add_stock(std::int64_t coupon_id, std::int64_t units) {
    redis_raw({"INCRBY", redis::CouponKeys(coupon_id).stock, std::to_string(units)});
  }
};

TEST_F(Reconcile, FindsNothingWhereNothingIsWrong) {
  const auto id = issue(10);
  EXPECT_EQ(run(id).outcome, ReconcileOutcome::kExact);
  claim(id, {1, 2, 3});
  EXPECT_EQ(run(id).outcome, ReconcileOutcome::kExact);
  settle(id);
  claim(id, {4});
  const auto report = run(id, true);
  EXPECT_EQ(report.outcome, ReconcileOutcome::kExact);
  EXPECT_EQ(report.settled, 3);
  EXPECT_EQ(report.in_flight, 1);
  EXPECT_EQ(report.stock, 6);
  EXPECT_EQ(report.users_checked, 4);
}

TEST_F(Reconcile, CountsAnEntryThatIsSettledAndNotYetFinishedOnce) {
  const auto id = issue(10);
  const auto accepted = claim(id, {1, 2});
  std::vector<postgres::SettleClaim> claims;
  for (const auto& one : accepted) claims.push_back({id, 1, one.claim.entry, one.claim.index, one.user_id});
  ASSERT_TRUE(postgres::settle_claims(pg(), claims));  // the consumer dies here
  EXPECT_EQ(run(id).outcome, ReconcileOutcome::kExact);
}

TEST_F(Reconcile, FindsDriftInMidSaleToTheUnitAndMendsItExactly) {
  const auto id = issue(1'000'000, 1000);
  Sale sale(redis_url(), pg_url(), id, 200);
  ASSERT_TRUE(harness::wait_until([&] { return sale.accepted() > 500; }));
  for (const std::int64_t units : {7, -5, 1}) {
    EXPECT_EQ(run(id).outcome, ReconcileOutcome::kExact);
    add_stock(id, units);
    const auto found = run(id);
    EXPECT_EQ(found.outcome, ReconcileOutcome::kDrift);
    EXPECT_EQ(found.stock_drift, units);
    const auto fixed = run(id, true);
    EXPECT_EQ(fixed.outcome, ReconcileOutcome::kFixed);
    EXPECT_EQ(fixed.stock_drift, units);
  }
  const std::int64_t before = sale.accepted();
  ASSERT_TRUE(harness::wait_until([&] { return sale.accepted() > before + 500; }));
  EXPECT_EQ(run(id).outcome, ReconcileOutcome::kExact);
  sale.stop();
  EXPECT_EQ(sale.trouble(), "");
  expect_sound(id);
}

TEST_F(Reconcile, MendsUserCountsInMidSaleInBothDirections) {
  const auto id = issue(1'000'000, 1000);
  const redis::CouponKeys keys(id);
  Sale sale(redis_url(), pg_url(), id, 200);
  ASSERT_TRUE(harness::wait_until([&] { return sale.accepted() > 2000; }));
  redis_raw({"INCRBY", keys.user(7), "3"});
  redis_raw({"INCRBY", keys.user(8), "-1"});
  redis_raw({"SET", keys.user(999'999), "2"});  // nobody who ever claimed
  const auto found = run(id);
  EXPECT_EQ(found.outcome, ReconcileOutcome::kDrift);
  ASSERT_EQ(found.users_drifting, 3);
  EXPECT_EQ(found.user_drifts[0].counted - found.user_drifts[0].expected, 3);
  EXPECT_EQ(found.user_drifts[1].counted - found.user_drifts[1].expected, -1);
  EXPECT_EQ(found.user_drifts[2].user_id, 999'999);
  EXPECT_EQ(found.user_drifts[2].expected, 0);
  EXPECT_EQ(run(id, true).outcome, ReconcileOutcome::kFixed);
  EXPECT_EQ(run(id).outcome, ReconcileOutcome::kExact);
  sale.stop();
  expect_sound(id);
}

TEST_F(Reconcile, FindsTheUserWhoseCountWasLostWhileInFlight) {
  const auto id = issue(10, 2);
  claim(id, {7, 7});
  redis_raw({"DEL", redis::CouponKeys(id).user(7)});
  const auto fixed = run(id, true);
  EXPECT_EQ(fixed.outcome, ReconcileOutcome::kFixed);
  ASSERT_EQ(fixed.user_drifts.size(), 1U);
  EXPECT_EQ(fixed.user_drifts[0].expected, 2);
  EXPECT_TRUE(claim(id, {7}).empty()) << "the limit holds again";
  settle(id);
  expect_sound(id);
}

TEST_F(Reconcile, TwoFixersAtOnceApplyTheDifferenceOnce) {
  const auto id = issue(1'000'000, 1000);
  Sale sale(redis_url(), pg_url(), id, 200);
  ASSERT_TRUE(harness::wait_until([&] { return sale.accepted() > 500; }));
  for (int round = 0; round < 20; ++round) {
    add_stock(id, 100);
    std::vector<std::thread> fixers;
    std::atomic<int> failures{0};
    for (int i = 0; i < 4; ++i) {
      fixers.emplace_back([&] {
        const auto redis = new_redis();
        const auto pg = new_pg();
        ReconcileOptions options;
        options.fix = true;
        options.users = false;
        if (!reconcile(*redis, *pg, id, options)) ++failures;
      });
    }
    for (std::thread& fixer : fixers) fixer.join();
    ASSERT_EQ(failures, 0);
    const auto report = run(id);
    ASSERT_EQ(report.outcome, ReconcileOutcome::kExact) << "round " << round << ", drift " << report.stock_drift;
  }
}

TEST_F(Reconcile, LeavesARestockThatIsUnderWayAlone) {
  const auto id = issue(10);
  claim(id, {1, 2, 3});
  postgres::CouponChanges raise;
  raise.total = 15;
  const auto raised = postgres::update_coupon(pg(), id, raise);  // the database knows, Redis does not yet
  ASSERT_TRUE(raised);
  const auto seen = run(id);
  EXPECT_EQ(seen.outcome, ReconcileOutcome::kExact);
  EXPECT_EQ(seen.stock_drift, 0);
  EXPECT_TRUE(seen.state_behind);
  // A fix completes the operation instead of "repairing" it, and its author may still say it himself.
  const auto fixed = run(id, true);
  EXPECT_EQ(fixed.stock_drift, 0);
  EXPECT_EQ(stock(id), 12);
  ASSERT_TRUE(sync_redis(redis(), pg(), raised->state));
  EXPECT_EQ(stock(id), 12);
  settle(id);
  expect_sound(id);
}

TEST_F(Reconcile, LeavesACutThatIsUnderWayAlone) {
  const auto id = issue(10);
  claim(id, {1, 2, 3});
  CouponChange cut;
  cut.total = 5;
  const auto begun = update_coupon(redis(), pg(), id, cut, std::chrono::seconds(0));
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->effect, Effect::kUnfinished);
  EXPECT_EQ(run(id, true).stock_drift, 0);
  EXPECT_EQ(stock(id), 2);
}

TEST_F(Reconcile, APhantomUnitIsTakenAwayAndTheSuspicionWithIt) {
  const auto id = issue(3);
  const redis::CouponKeys keys(id);
  const auto accepted = claim(id, {1});
  // Redis loses the entry (and with it what it took), the message lives: the row is written, finish finds nothing.
  redis_raw({"XDEL", keys.claims, accepted[0].claim.entry.text()});
  redis_raw({"INCRBY", keys.stock, "1"});
  redis_raw({"DEL", keys.user(1)});
  redis_raw({"HINCRBY", keys.coupon, "inflight", "-1"});
  const std::vector<postgres::SettleClaim> late = {{id, 1, accepted[0].claim.entry, 0, 1}};
  ASSERT_TRUE(postgres::settle_claims(pg(), late));
  const auto finished = redis::finish(redis(), {id, 1, accepted[0].claim.entry, 1, true, {}});
  ASSERT_TRUE(finished);
  EXPECT_EQ(*finished, redis::FinishReply::kAbsent);
  const auto fixed = run(id, true);
  EXPECT_EQ(fixed.outcome, ReconcileOutcome::kFixed);
  EXPECT_EQ(fixed.stock_drift, 1);
  EXPECT_EQ(fixed.suspect, 1);
  EXPECT_EQ(run(id).suspect, 0);
  expect_sound(id);
}

TEST_F(Reconcile, ClearsAFalseAlarm) {
  const auto id = issue(3);
  ASSERT_TRUE(redis::mark_suspect(redis(), id));
  EXPECT_EQ(run(id).suspect, 1);
  EXPECT_EQ(run(id, true).outcome, ReconcileOutcome::kExact);
  EXPECT_EQ(run(id).suspect, 0);
}

TEST_F(Reconcile, DoesNotTakeANewSuspicionForTheOneThatAnotherFixerCleared) {
  const auto id = issue(10);
  claim(id, {1});
  ASSERT_TRUE(redis::mark_suspect(redis(), id));
  ReconcileOptions options;
  options.fix = true;
  options.progress = [&](std::int64_t, std::int64_t) {  // its users are counted, its stock is not
    EXPECT_EQ(run(id, true).suspect, 1);
    EXPECT_TRUE(redis::mark_suspect(redis(), id));
  };
  EXPECT_EQ(reconcile(redis(), pg(), id, options).value().suspect, 1);
  EXPECT_EQ(run(id).suspect, 1);
  run(id, true);
  EXPECT_EQ(run(id).suspect, 0);
}

TEST_F(Reconcile, KnowsARedisThatRolledBack) {
  const auto id = issue(10);
  claim(id, {1});
  settle(id);
  // A row of this epoch above everything that this Redis ever gave out: it lost the entry that made it.
  const std::vector<postgres::SettleClaim> lost = {{id, 1, {9'000'000'000'000, 0}, 0, 2}};
  ASSERT_TRUE(postgres::settle_claims(pg(), lost));
  EXPECT_EQ(run(id, true).outcome, ReconcileOutcome::kRolledBack);
  EXPECT_EQ(stock(id), 9) << "nothing is mended on a stream that is behind";
}

TEST_F(Reconcile, SaysWhatItCannotJudge) {
  EXPECT_EQ(run(77).outcome, ReconcileOutcome::kNotFound);
  const auto id = issue(10);
  ASSERT_TRUE(redis::rebuild_freeze(redis(), id));
  EXPECT_EQ(run(id, true).outcome, ReconcileOutcome::kNotLoaded);
  redis_raw({"FLUSHALL"});
  EXPECT_EQ(run(id, true).outcome, ReconcileOutcome::kNotLoaded);
}

}  // namespace
}  // namespace flashclaim::operations
