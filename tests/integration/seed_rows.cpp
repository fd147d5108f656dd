// The rows of the seed document: what it asked for, on the repaired contract. Each ends with the checker.
#include <gtest/gtest.h>

#include "engine/amqp/topology.h"
#include "engine/operations/rebuild.h"
#include "tests/harness/whole_path.h"
#include "tests/harness/witness.h"

namespace flashclaim {
namespace {

class SeedRows : public WholePath {
 protected:
  std::string hash_field(std::int64_t coupon, std::string_view field) {
    return redis_text({"HGET", redis::CouponKeys(coupon).coupon, field});
  }
  std::int64_t stock(std::int64_t coupon) { return redis_number({"GET", redis::CouponKeys(coupon).stock}); }
  std::int64_t user_count(std::int64_t coupon, std::int64_t user) {
    return redis_number({"GET", redis::CouponKeys(coupon).user(user)});
  }
};

TEST_F(SeedRows, WritesTheCacheWhenTheCouponIsIssued) {
  const auto coupon = open_coupon(50, 2);
  const auto state = postgres::coupon_state(pg(), coupon).value().value();
  EXPECT_EQ(hash_field(coupon, "issueBeginTime"), std::to_string(state.begin_ms));
  EXPECT_EQ(hash_field(coupon, "issueEndTime"), std::to_string(state.end_ms));
  EXPECT_EQ(hash_field(coupon, "totalNum"), "50");
  EXPECT_EQ(hash_field(coupon, "userLimit"), "2");
  EXPECT_EQ(hash_field(coupon, "status"), "issuing");
  EXPECT_EQ(stock(coupon), 50);
  expect_invariants();
}

TEST_F(SeedRows, CountsAUserAndTakesStockAtTheClaimNotAtTheSettlement) {
  engine_ = engine();
  const auto coupon = open_coupon(50, 2);
  EXPECT_EQ(claim(coupon, 7).status, 202);
  EXPECT_EQ(user_count(coupon, 7), 1);
  EXPECT_EQ(stock(coupon), 49);
  EXPECT_EQ(counts(coupon).rows, 0);
  consumer_ = consumer();
  await_rest();
  EXPECT_EQ(user_count(coupon, 7), 1) << "settling must not count again";
  EXPECT_EQ(stock(coupon), 49);
  EXPECT_EQ(counts(coupon).rows, 1);
  expect_invariants();
}

TEST_F(SeedRows, ReturnsStockOnlyForARefusalThatTheDatabaseRecorded) {
  engine_ = engine();
  const auto coupon = open_coupon(2, 1);
  redis_number({"INCRBY", redis::CouponKeys(coupon).stock, "3"});  // phantom units, as a damaged cache has them
  std::vector<std::string> claims;
  for (std::int64_t user = 1; user <= 5; ++user) {
    claims.push_back(json_field(claim(coupon, user).body, "claimId"));
  }
  consumer_ = consumer();
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 2);
  EXPECT_EQ(counts(coupon).rejections, 3);
  int refused = 0;
  for (const auto& id : claims) {
    const auto body = get("/claims/" + id).body;
    refused += json_field(body, "status") == "refused" ? 1 : 0;
  }
  EXPECT_EQ(refused, 3);
  EXPECT_TRUE(wait_until([&] { return stock(coupon) == 0; })) << "the phantom units were not taken out by themselves";
  expect_invariants();
}

TEST_F(SeedRows, LocksTheUserInTheDatabaseWhateverRedisLetThrough) {
  engine_ = engine();
  const auto coupon = open_coupon(100, 1);
  for (int times = 0; times < 6; ++times) {
    EXPECT_EQ(claim(coupon, 7).status, 202);
    redis_number({"DEL", redis::CouponKeys(coupon).user(7)});  // the cache forgets that the user has one
  }
  consumer_ = consumer();
  const auto second = consumer();
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 1);
  EXPECT_EQ(counts(coupon).rejections, 5);
  EXPECT_TRUE(wait_until([&] { return stock(coupon) == 99 && user_count(coupon, 7) == 1; }));
  expect_invariants();
}

TEST_F(SeedRows, RoutesByTheTopicIntoADurableQueueThatSurvivesTheBroker) {
  engine_ = engine();
  const auto coupon = open_coupon(10, 1);
  const auto claim_id = json_field(claim(coupon, 7).body, "claimId");
  const auto depth = [&] { return amqp().queue_depth("promotion.coupon.receive.queue").value(); };
  EXPECT_TRUE(wait_until([&] { return depth() == 1; }));
  harness::PrivateRabbit::let_new_queues_reach_the_disk();
  rabbit_server().kill();
  rabbit_server().start();
  EXPECT_TRUE(wait_until([&] { return depth() >= 1; }));
  auto message = amqp().get("promotion.coupon.receive.queue").value();
  ASSERT_TRUE(message);
  EXPECT_NE(message->body.find("\"claimId\":\"" + claim_id + "\""), std::string::npos) << message->body;
  EXPECT_NE(message->body.find("\"userId\":\"7\""), std::string::npos) << message->body;
  ASSERT_TRUE(amqp().nack(message->delivery_tag, true));
  ASSERT_TRUE(amqp().publish({.exchange = "promotion.topic",
                              .routing_key = "coupon.other",
                              .body = "x",
                              .message_id = "x",
                              .mandatory = false}));
  consumer_ = consumer();
  await_rest();
  EXPECT_EQ(expect_invariants().settled, 1);
}

TEST_F(SeedRows, TriesAFaultyMessageThreeTimesThenKeepsItAsADeadLetter) {
  harness::announce_error("dead_lettered");
  start_programs();
  const auto coupon = open_coupon(10, 1);
  ASSERT_TRUE(amqp().publish({.exchange = amqp::kExchange,
                              .routing_key = amqp::kRoutingKey,
                              .body = "no message of ours",
                              .message_id = "faulty"}));
  EXPECT_EQ(claim(coupon, 7).status, 202);
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 1) << "a faulty message must not stop its neighbours";
  EXPECT_TRUE(wait_until([&] { return amqp().queue_depth("promotion.coupon.receive.dlq").value() == 1; }));
  auto dead = amqp().get("promotion.coupon.receive.dlq").value();
  ASSERT_TRUE(dead);
  EXPECT_EQ(dead->body, "no message of ours");
  EXPECT_EQ(dead->header(amqp::kAttemptsHeader), "3");
  EXPECT_TRUE(consumer_->running());
}

TEST_F(SeedRows, PausesAndResumesWithClaimsInFlightWithoutSettingTheStockAgain) {
  engine_ = engine();
  const auto coupon = open_coupon(50, 1);
  const auto before = fire(mixed_orders(coupon, 30, 1'000'000));
  EXPECT_EQ(before.tally.accepted, 30);
  ASSERT_TRUE(operations::pause_coupon(admin_redis(), admin_pg(), coupon)->ok());
  EXPECT_EQ(json_field(claim(coupon, 2'000'001).body, "code"), "PAUSED");
  ASSERT_TRUE(operations::resume_coupon(admin_redis(), admin_pg(), coupon)->ok());
  EXPECT_EQ(stock(coupon), 20);
  std::vector<bench::ClaimOrder> rest;
  for (std::int64_t user = 3'000'001; user <= 3'000'200; ++user) {
    rest.push_back({coupon, user});
  }
  const auto after = fire(rest);
  EXPECT_EQ(after.tally.accepted, 20);
  consumer_ = consumer();
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 50);
  expect_invariants(after);
}

TEST_F(SeedRows, RebuildsTheCacheAfterItsLossFromWhatWasSettled) {
  start_programs();
  const auto coupon = open_coupon(50, 1);
  for (std::int64_t user = 1; user <= 30; ++user) {
    EXPECT_EQ(claim(coupon, user).status, 202);
  }
  await_rest();
  redis_server().flush();
  const auto lost = claim(coupon, 31);
  EXPECT_EQ(lost.status, 503) << "a Redis that lost its data is neither 404 nor sold out: " << lost.body;
  EXPECT_EQ(json_field(lost.body, "code"), "NOT_READY");
  const auto rebuilt = operations::rebuild_coupon(admin_redis(), admin_pg(), coupon);
  ASSERT_TRUE(rebuilt) << rebuilt.error().message;
  EXPECT_EQ(rebuilt->outcome, operations::RebuildOutcome::kOpen);
  EXPECT_EQ(rebuilt->stock, 20);
  EXPECT_EQ(rebuilt->users, 30);
  EXPECT_TRUE(operations::mark_ready_if_complete(admin_redis(), admin_pg()).value());
  EXPECT_EQ(json_field(claim(coupon, 7).body, "code"), "LIMIT_REACHED");
  EXPECT_EQ(claim(coupon, 31).status, 202);
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 31);
  EXPECT_EQ(stock(coupon), 19);
  expect_invariants();
}

}  // namespace
}  // namespace flashclaim
