// Two operators at once: what one of them wrote stands, and the other is told what happened. A gate holds back what
// Redis answers to one of them.
#include <functional>

#include "engine/base/ids.h"
#include "engine/operations/operations.h"
#include "engine/operations/sync_redis.h"
#include "engine/redis/keys.h"
#include "tests/harness/gate.h"
#include "tests/harness/logins.h"
#include "tests/integration/admin_stores.h"

namespace flashclaim::operations {
namespace {

using harness::GateMode;
using harness::wait_until;

class TwoOperators : public Stores {
 protected:
  using Operation = std::function<Result<Operated>(redis::Client&, postgres::Session&)>;

  /// Operator A: `operation` in a thread of its own, with Redis behind a gate.
  class Held {
   public:
    Held(const TwoOperators& test, const Operation& operation)
        : gate_(static_cast<int>(harness::PrivateRedis::shared().port())),
          redis_(std::move(
                     redis::Client::connect(gate_.through(harness::as("admin", redis_url())), std::chrono::seconds(30)))
                     .value()),
          pg_(test.new_pg()),
          operation_(operation) {}
    /// Begins; what Redis is asked and what it answers each take so long.
    void begin_slowly(int ms) {
      gate_.set(GateMode::kDelay, ms);
      begin();
    }
    /// Begins; nothing comes to Redis before result() is asked for.
    void begin_held() {
      gate_.set(GateMode::kStall);
      begin();
    }
    ~Held() {
      if (thread_.joinable()) result();
    }
    /// What the operation came to; lets everything through first.
    Operated result() {
      gate_.pass();
      thread_.join();
      EXPECT_TRUE(answer_) << answer_.error().message;
      return answer_ ? *answer_ : Operated{};
    }

   private:
    void begin() {
      thread_ = std::thread([this] { answer_ = operation_(redis_, *pg_); });
    }
    harness::Gate gate_;
    redis::Client redis_;
    std::unique_ptr<postgres::Session> pg_;
    Operation operation_;
    Result<Operated> answer_ = failure("it did not run");
    std::thread thread_;
  };

  static constexpr int kSlowMs = 700;

  Operation total(std::int64_t id, std::int64_t units, std::chrono::seconds drain = std::chrono::seconds(60)) {
    return [=](redis::Client& redis, postgres::Session& pg) {
      CouponChange change;
      change.total = units;
      return update_coupon(redis, pg, id, change, drain);
    };
  }
  /// Operator B, at once.
  Operated now(const Operation& operation) {
    const auto answer = operation(redis(), pg());
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *answer : Operated{};
  }
  postgres::CouponState row(std::int64_t id) {
    const auto state = postgres::coupon_state(pg(), id);
    EXPECT_TRUE(state && state->has_value());
    return state && state->has_value() ? **state : postgres::CouponState{};
  }
  /// Functions that Redis has carried out.
  std::int64_t calls() {
    const auto info = redis::ok(redis().command({"INFO", "commandstats"}));
    EXPECT_TRUE(info);
    const std::string text(info->text());
    const std::string name = "cmdstat_fcall:calls=";
    const auto at = text.find(name);
    return at == text.npos ? 0 : std::stoll(text.substr(at + name.size()));
  }
  std::string verdict(std::int64_t id, std::int64_t user) {
    const auto verdicts = redis::claim(claimer(), id, std::vector<redis::ClaimRequest>{{user, ""}});
    EXPECT_TRUE(verdicts) << verdicts.error().message;
    return verdicts ? std::string(redis::word(verdicts->front())) : "";
  }
  bool in_redis(std::int64_t id) {
    const auto there = redis::ok(redis().command({"EXISTS", redis::CouponKeys(id).coupon}));
    EXPECT_TRUE(there);
    return there && there->integer() == 1;
  }
  std::int64_t draft() {
    const NewCoupon coupon{900, "draft", 10, 1, 1'795'380'024'805, 4'000'000'000'000, 1000};
    EXPECT_TRUE(create_coupon(pg(), coupon));
    return coupon.id;
  }
};

TEST_F(TwoOperators, ARestockStandsAgainstACutThatIsTakenBack) {
  const auto id = issue(10);
  claim(id, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  Held a(*this, total(id, 5));
  a.begin_slowly(kSlowMs);
  ASSERT_TRUE(wait_until([&] { return row(id).target_total == 5; }));
  const auto before = calls();
  ASSERT_TRUE(wait_until([&] { return calls() > before; }));  // Redis has refused the cut; A does not know it yet
  EXPECT_EQ(now(total(id, 20)).effect, Effect::kDone);
  const Operated told = a.result();
  EXPECT_FALSE(told.ok());
  EXPECT_NE(told.message.find("total 20"), told.message.npos) << told.message;
  EXPECT_EQ(row(id).target_total, 20);
  EXPECT_EQ(row(id).total_num, 20);
  EXPECT_EQ(stock(id), 11);
  settle(id);
  expect_sound(id);
}

TEST_F(TwoOperators, ARestockStandsAgainstACutThatWaits) {
  const auto id = issue(10);
  claim(id, {1, 2, 3});
  Held a(*this, total(id, 5));
  a.begin_slowly(0);
  ASSERT_TRUE(wait_until([&] { return stock(id) == 2; }));
  EXPECT_EQ(now(total(id, 20)).effect, Effect::kDone);
  settle(id);
  const Operated told = a.result();
  EXPECT_FALSE(told.ok()) << told.message;
  EXPECT_NE(told.message.find("total 20"), told.message.npos) << told.message;
  EXPECT_EQ(row(id).total_num, 20);
  expect_sound(id);
}

TEST_F(TwoOperators, ACutThatFindsNoCouponInRedisIsToldToComeAgain) {
  const auto id = issue(10);
  const redis::CouponKeys keys(id);
  Held a(*this, total(id, 5));
  a.begin_slowly(kSlowMs);
  const auto told = [&] { return redis::ok(redis().command({"HGET", keys.coupon, "totalNum"}))->text() == "5"; };
  ASSERT_TRUE(wait_until(told));
  redis_raw({"DEL", keys.stock});  // as a rebuild does
  const Operated cut = a.result();
  EXPECT_EQ(cut.effect, Effect::kUnfinished) << cut.message;
  EXPECT_NE(cut.message.find("repeat the command"), std::string::npos) << cut.message;
  ASSERT_TRUE(rebuild_coupon(redis(), pg(), id));
  EXPECT_TRUE(now(total(id, 5)).ok());
  EXPECT_EQ(stock(id), 5);
  expect_sound(id);
}

TEST_F(TwoOperators, ACutThatWaitsGoesOnThroughAPause) {
  const auto id = issue(10);
  claim(id, {1, 2, 3});
  Held a(*this, total(id, 5));
  a.begin_slowly(0);
  ASSERT_TRUE(wait_until([&] { return stock(id) == 2; }));
  EXPECT_EQ(now([&](auto& redis, auto& pg) { return pause_coupon(redis, pg, id); }).effect, Effect::kDone);
  settle(id);
  EXPECT_TRUE(a.result().ok());
  EXPECT_EQ(row(id).total_num, 5);
  expect_sound(id);
}

TEST_F(TwoOperators, WhoPausedIsToldThatItWasResumed) {
  const auto id = issue(10);
  claim(id, {1});
  settle(id);
  Held a(*this, [&](auto& redis, auto& pg) { return pause_coupon(redis, pg, id); });
  a.begin_held();
  ASSERT_TRUE(wait_until([&] { return row(id).status == postgres::CouponStatus::kPaused; }));
  EXPECT_EQ(now([&](auto& redis, auto& pg) { return resume_coupon(redis, pg, id); }).effect, Effect::kDone);
  const Operated told = a.result();
  EXPECT_FALSE(told.ok()) << told.message;
  EXPECT_NE(told.message.find("resume by test"), told.message.npos) << told.message;
  EXPECT_EQ(verdict(id, 2), "ACCEPTED");
}

TEST_F(TwoOperators, AnEndStandsAgainstThePublishThatComesLate) {
  const auto id = draft();
  Held a(*this, [&](auto& redis, auto& pg) { return publish_coupon(redis, pg, id); });
  a.begin_held();
  ASSERT_TRUE(wait_until([&] { return row(id).status == postgres::CouponStatus::kIssuing; }));
  EXPECT_EQ(now([&](auto& redis, auto& pg) { return end_coupon(redis, pg, id); }).effect, Effect::kDone);
  const Operated told = a.result();
  EXPECT_FALSE(told.ok()) << told.message;
  EXPECT_EQ(verdict(id, 1), "ENDED");
  expect_sound(id);
}

TEST_F(TwoOperators, APurgedCouponStaysAwayFromThePublishThatComesLate) {
  const auto id = draft();
  Held a(*this, [&](auto& redis, auto& pg) { return publish_coupon(redis, pg, id); });
  a.begin_held();
  ASSERT_TRUE(wait_until([&] { return row(id).status == postgres::CouponStatus::kIssuing; }));
  now([&](auto& redis, auto& pg) { return end_coupon(redis, pg, id); });
  EXPECT_EQ(now([&](auto& redis, auto& pg) { return purge_coupon(redis, pg, id); }).effect, Effect::kDone);
  EXPECT_FALSE(a.result().ok());
  EXPECT_FALSE(in_redis(id));
  EXPECT_EQ(verdict(id, 1), "NO_COUPON");
  expect_sound(id);
}

TEST_F(TwoOperators, APublishThatDiedIsCompletedByTheNextOperation) {
  const auto id = draft();
  ASSERT_TRUE(postgres::operate_coupon(pg(), id, postgres::Operation::kPublish));
  EXPECT_EQ(now([&](auto& redis, auto& pg) { return pause_coupon(redis, pg, id); }).effect, Effect::kDone);
  EXPECT_EQ(verdict(id, 1), "PAUSED");
  EXPECT_EQ(stock(id), 10);
  expect_sound(id);
}

TEST_F(TwoOperators, ARebuildThatComesAfterAPurgeLeavesNothingBehind) {
  const auto id = issue(10);
  ASSERT_TRUE(end_coupon(redis(), pg(), id));
  ASSERT_EQ(now([&](auto& redis, auto& pg) { return purge_coupon(redis, pg, id); }).effect, Effect::kDone);
  ASSERT_TRUE(redis::rebuild_freeze(redis(), id));  // A read the coupon before the purge
  EXPECT_EQ(verdict(id, 1), "NO_COUPON");
  EXPECT_FALSE(in_redis(id));
}

/// The purge is decided in the database while the rebuild is at each of its steps; Redis is told of it or not.
TEST_F(TwoOperators, ARebuildThatAPurgeOvertakesLeavesNothingBehind) {
  for (const bool told : {false, true}) {
    const auto id = issue(10);
    claim(id, {1});
    settle(id);
    ASSERT_TRUE(end_coupon(redis(), pg(), id));
    redis_raw({"DEL", redis::CouponKeys(id).coupon, redis::CouponKeys(id).stock});
    RebuildOptions options;
    options.progress = [&](std::int64_t /*done*/, std::int64_t /*of*/) {
      ASSERT_TRUE(postgres::purge_coupon(pg(), id));
      if (told) {
        ASSERT_TRUE(redis::purge_coupon(redis(), id));
      }
    };
    const auto other_redis = new_redis();
    const auto other_pg = new_pg();
    const auto report = rebuild_coupon(*other_redis, *other_pg, id, options);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->outcome, RebuildOutcome::kNeverIssued);
    EXPECT_FALSE(in_redis(id));
    EXPECT_EQ(verdict(id, 2), "NO_COUPON");
    EXPECT_EQ(now([&](auto& redis, auto& pg) { return purge_coupon(redis, pg, id); }).effect, Effect::kAlready);
  }
}

TEST_F(TwoOperators, APurgeTakesWhatARebuildThatDiedLeft) {
  const auto id = issue(10);
  ASSERT_TRUE(end_coupon(redis(), pg(), id));
  ASSERT_TRUE(redis::rebuild_freeze(redis(), id));
  ASSERT_TRUE(postgres::purge_coupon(pg(), id));  // purge and rebuild died here
  EXPECT_EQ(now([&](auto& redis, auto& pg) { return purge_coupon(redis, pg, id); }).effect, Effect::kAlready);
  EXPECT_FALSE(in_redis(id));
}

TEST_F(TwoOperators, APurgeTakesACouponThatALatePublishOpened) {
  const auto id = draft();
  const auto published = postgres::operate_coupon(pg(), id, postgres::Operation::kPublish);
  ASSERT_TRUE(published);
  ASSERT_TRUE(postgres::operate_coupon(pg(), id, postgres::Operation::kEnd));
  ASSERT_TRUE(postgres::purge_coupon(pg(), id));
  ASSERT_TRUE(redis::apply_state(redis(), settings_of(published->state), true));  // and died
  ASSERT_EQ(verdict(id, 1), "ACCEPTED");
  const auto operate = [&](auto& redis, auto& pg) { return purge_coupon(redis, pg, id); };
  EXPECT_EQ(now(operate).effect, Effect::kRefused) << "a claim is in flight";
  EXPECT_EQ(verdict(id, 2), "ENDED");
  settle(id);
  EXPECT_EQ(now(operate).effect, Effect::kAlready);
  EXPECT_FALSE(in_redis(id));
}

/// Redis' clock cannot be moved here: the coupon's end is, until the mirror has asked whether the coupon is over.
class AClockAhead : public TwoOperators {
 protected:
  std::int64_t retired() {
    const auto id = issue(10);
    claim(id, {1});
    settle(id);
    const redis::CouponKeys keys(id);
    const auto end = std::to_string(row(id).end_ms);
    redis_raw({"HSET", keys.coupon, "issueEndTime", "1795000000000"});
    const auto done = redis::retire_coupon(redis(), id);
    EXPECT_TRUE(done && *done);
    redis_raw({"HSET", keys.coupon, "issueEndTime", end});
    EXPECT_EQ(verdict(id, 2), "ENDED");
    return id;
  }
  ReconcileReport looked_at(std::int64_t id, bool fix) {
    ReconcileOptions options;
    options.fix = fix;
    const auto report = reconcile(redis(), pg(), id, options);
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : ReconcileReport{};
  }
};

TEST_F(AClockAhead, IsSeenByCheckAndReconcileAndMendedByIt) {
  const auto id = retired();
  EXPECT_TRUE(judge(id).violates(4));
  const auto seen = looked_at(id, false);
  EXPECT_EQ(seen.outcome, ReconcileOutcome::kDrift);
  EXPECT_NE(seen.state_difference.find("status"), std::string::npos) << seen.state_difference;
  EXPECT_EQ(looked_at(id, true).outcome, ReconcileOutcome::kFixed);
  EXPECT_EQ(verdict(id, 2), "ACCEPTED");
  settle(id);
  EXPECT_EQ(looked_at(id, true).outcome, ReconcileOutcome::kExact);
  expect_sound(id);
}

TEST_F(AClockAhead, IsMendedByResumeWhichSaysSo) {
  const auto id = retired();
  const Operated told = now([&](auto& redis, auto& pg) { return resume_coupon(redis, pg, id); });
  EXPECT_EQ(told.effect, Effect::kDone);
  EXPECT_NE(told.message.find("again"), told.message.npos) << told.message;
  EXPECT_EQ(verdict(id, 2), "ACCEPTED");
  settle(id);
  expect_sound(id);
}

TEST_F(TwoOperators, WhatWasShownIsWhatIsDone) {
  const auto id = issue(10);
  CouponChange cut;
  cut.total = 5;
  cut.seen = row(id).version;
  EXPECT_EQ(now(total(id, 20)).effect, Effect::kDone);
  const Operated told = now([&](auto& redis, auto& pg) { return update_coupon(redis, pg, id, cut); });
  EXPECT_EQ(told.effect, Effect::kRefused);
  EXPECT_NE(told.message.find("update by test"), told.message.npos) << told.message;
  EXPECT_EQ(row(id).target_total, 20);
  const auto seen = row(id).version;
  EXPECT_EQ(now([&](auto& redis, auto& pg) { return pause_coupon(redis, pg, id); }).effect, Effect::kDone);
  EXPECT_EQ(now([&](auto& redis, auto& pg) { return end_coupon(redis, pg, id, seen); }).effect, Effect::kRefused);
  EXPECT_EQ(row(id).status, postgres::CouponStatus::kPaused);
  EXPECT_EQ(now([&](auto& redis, auto& pg) { return end_coupon(redis, pg, id, seen + 1); }).effect, Effect::kDone);
}

}  // namespace
}  // namespace flashclaim::operations
