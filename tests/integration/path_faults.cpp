// The whole path in foul weather: break something, get an honest answer, heal it, and every store agrees again.
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "engine/amqp/topology.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

class FaultPath : public WholePath {
 protected:
  /// Tries until the claim is accepted; every answer before it must be an honest 503.
  void accept_when_healed(std::int64_t coupon, std::int64_t user) {
    ASSERT_TRUE(wait_until([&] {
      const auto answer = claim(coupon, user, "key-" + std::to_string(user));
      expect_honest(answer);
      return accepted(answer, user);
    }));
  }
  static void expect_honest(const harness::RawAnswer& answer) {
    if (answer.status != 202) {
      EXPECT_EQ(answer.status, 503) << answer.body;
      EXPECT_TRUE(answer.headers.contains("retry-after")) << answer.head;
      EXPECT_NE(json_field(answer.body, "applied"), "") << answer.body;
    }
  }
};

TEST_F(FaultPath, GoesOnAcceptingWithoutRabbitAndCatchesUp) {
  start_programs();
  const auto coupon = open_coupon(1000, 1);
  accept(coupon, 1, 20);
  harness::PrivateRabbit::let_new_queues_reach_the_disk();
  rabbit_server().kill();
  accept(coupon, 21, 60);
  EXPECT_GE(redis_number({"XLEN", redis::CouponKeys(coupon).claims}), 40);
  rabbit_server().start();
  accept(coupon, 61, 70);
  await_rest();
  EXPECT_EQ(expect_invariants(told_).settled, 70);
}

TEST_F(FaultPath, AnswersHonestlyWithoutRedisAndKeepsEveryAcceptedClaim) {
  start_programs();
  const auto coupon = open_coupon(1000, 1);
  accept(coupon, 1, 20);
  redis_server().kill();
  for (std::int64_t user = 100; user < 110; ++user) {
    const auto answer = claim(coupon, user);
    EXPECT_EQ(answer.status, 503) << answer.body;
    expect_honest(answer);
  }
  EXPECT_EQ(get("/coupons/" + std::to_string(coupon)).status, 503);
  redis_server().start();
  accept_when_healed(coupon, 21);
  await_rest();
  const auto report = expect_invariants(told_);
  EXPECT_GE(report.settled, 21);
  EXPECT_TRUE(engine_->running());
  EXPECT_TRUE(consumer_->running());
}

TEST_F(FaultPath, CallsALostAnswerUnknownAndTheSameKeyTellsWhatBecameOfIt) {
  start_programs();
  const auto coupon = open_coupon(1000, 5);
  accept(coupon, 1, 1);
  redis_server().pause();
  const auto lost = claim(coupon, 7, "order-1");
  redis_server().resume();
  EXPECT_EQ(lost.status, 503) << lost.body;
  EXPECT_EQ(json_field(lost.body, "code"), "OUTCOME_UNKNOWN");
  EXPECT_EQ(json_field(lost.body, "applied"), "unknown");
  const auto told = [&] {  // each thread of the engine finds Redis again by itself
    std::string claim_id;
    EXPECT_TRUE(wait_until([&] {
      const auto again = claim(coupon, 7, "order-1");
      expect_honest(again);
      claim_id = json_field(again.body, "claimId");
      return again.status == 202;
    }));
    return claim_id;
  };
  const std::string claim_id = told();
  EXPECT_EQ(told(), claim_id);
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 2) << "user 7 has exactly one claim, whether the first call was carried out or not";
  expect_invariants(told_);
}

TEST_F(FaultPath, HoldsTheClaimsWhilePostgresIsAwayAndLetsNoneDie) {
  start_programs();
  const auto coupon = open_coupon(1000, 1);
  accept(coupon, 1, 20);
  postgres_server().kill();
  accept(coupon, 21, 60);
  postgres_server().start();
  await_rest();
  EXPECT_EQ(expect_invariants(told_).settled, 60);
  EXPECT_EQ(amqp().queue_depth(amqp::kDeadLetterQueue).value(), 0);
}

TEST_F(FaultPath, SettlesEachClaimOnceThoughConsumersAreKilled) {
  start_programs();
  const auto coupon = open_coupon(2000, 2);
  bench::ClaimRunReport run;
  std::thread clients([&] { run = fire(mixed_orders(coupon, 6'000, 1'500)); });
  for (int kills = 1; kills <= 4; ++kills) {
    EXPECT_TRUE(wait_until([&] { return counts(coupon).rows >= kills * 200; }));
    consumer_->signal(SIGKILL);
    consumer_ = consumer();
  }
  clients.join();
  await_rest();
  EXPECT_EQ(counts(coupon).rows, run.tally.accepted);
  expect_invariants(run);
}

TEST_F(FaultPath, LosesNoAcceptedClaimThoughTheEngineIsKilled) {
  start_programs();
  const auto coupon = open_coupon(100'000, 100);
  bench::ClaimRunReport run;
  std::thread clients([&] { run = fire(mixed_orders(coupon, 20'000, 1'500)); });
  EXPECT_TRUE(wait_until([&] { return counts(coupon).rows >= 1000; }));
  engine_->signal(SIGKILL);
  engine_->wait();
  engine_ = engine_again();
  clients.join();
  await_rest();
  EXPECT_GE(counts(coupon).rows, run.tally.accepted);
  EXPECT_EQ(run.tally.accepted + run.tally.unanswered + run.tally.outcome_unknown, 20'000);
  expect_invariants(run);
}

TEST_F(FaultPath, PublishesAgainWhatTheBrokerLost) {
  engine_ = engine();
  const auto coupon = open_coupon(1000, 1);
  accept(coupon, 1, 30);
  EXPECT_TRUE(wait_until([&] { return amqp().queue_depth(amqp::kQueue).value() > 0; }));
  const auto pending = [&] {
    return redis().command({"XPENDING", redis::CouponKeys(coupon).claims, redis::kMirrorGroup});
  };
  EXPECT_TRUE(wait_until([&] { return pending().value()[0].integer() == 0; })) << "not all entries were mirrored";
  ASSERT_TRUE(amqp().purge_queue(amqp::kQueue));
  consumer_ = consumer();
  const auto replay =
      harness::run_program("flashctl", {"mirror", "replay", std::to_string(coupon), "--yes"}, environment_);
  EXPECT_EQ(replay.exit_code, 0) << replay.out << replay.err;
  await_rest();
  EXPECT_EQ(expect_invariants(told_).settled, 30);
}

TEST_F(FaultPath, StopsGracefullyWithClaimsUnderWay) {
  start_programs();
  const auto coupon = open_coupon(100'000, 100);
  bench::ClaimRunReport run;
  std::thread clients([&] { run = fire(mixed_orders(coupon, 10'000, 1'500)); });
  EXPECT_TRUE(wait_until([&] { return counts(coupon).rows >= 500; }));
  EXPECT_EQ(consumer_->stop(), 0) << consumer_->output();
  EXPECT_EQ(engine_->stop(), 0) << engine_->output();
  engine_ = engine_again();
  consumer_ = consumer();
  clients.join();
  await_rest();
  expect_invariants(run);
}

}  // namespace
}  // namespace flashclaim
