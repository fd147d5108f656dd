// The whole path in fair weather: from a click to a row, and the numbers that must come out exactly.
#include <gtest/gtest.h>

#include "engine/amqp/topology.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

class ClaimPath : public WholePath {};

TEST_F(ClaimPath, TurnsA202IntoARow) {
  start_programs();
  const auto coupon = open_coupon(10, 1);
  const auto answer = claim(coupon, 7);
  ASSERT_EQ(answer.status, 202) << answer.body;
  EXPECT_EQ(json_field(answer.body, "status"), "pending");
  EXPECT_EQ(json_field(answer.body, "couponId"), std::to_string(coupon));
  const auto claim_id = json_field(answer.body, "claimId");
  EXPECT_EQ(answer.headers.at("location"), "/claims/" + claim_id);
  await_rest();
  EXPECT_EQ(json_field(get("/claims/" + claim_id).body, "status"), "settled");
  const auto parsed = parse_claim_id(claim_id);
  ASSERT_TRUE(parsed);
  const auto row = postgres::find_claim(pg(), *parsed);
  ASSERT_TRUE(row && row->has_value());
  EXPECT_EQ((*row)->user_id, 7);
  EXPECT_FALSE((*row)->refusal);
  EXPECT_EQ(json_field(get("/coupons/" + std::to_string(coupon)).body, "left"), "9");
  operations::CheckOptions told;
  told.acknowledged = {{*parsed, 7}};
  EXPECT_EQ(expect_invariants(told).settled, 1);
}

TEST_F(ClaimPath, RefusesTheSecondClaimOfAUserBeforeTheFirstIsSettled) {
  engine_ = engine();  // no consumer: the first claim stays in flight
  const auto coupon = open_coupon(10, 1);
  EXPECT_EQ(claim(coupon, 7).status, 202);
  const auto second = claim(coupon, 7);
  EXPECT_EQ(second.status, 409);
  EXPECT_EQ(json_field(second.body, "code"), "LIMIT_REACHED");
  EXPECT_EQ(redis_number({"GET", redis::CouponKeys(coupon).stock}), 9);
  consumer_ = consumer();
  await_rest();
  EXPECT_EQ(expect_invariants().settled, 1);
}

TEST_F(ClaimPath, SettlesExactlyTheTotalOnceForEachUser) {
  start_programs();
  const auto coupon = open_coupon(100, 1);
  const auto run = fire(mixed_orders(coupon, 10'000, 500));
  EXPECT_EQ(run.tally.accepted, 100);
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 100);
  EXPECT_EQ(counts(coupon).users, 100);
  EXPECT_EQ(redis_number({"GET", redis::CouponKeys(coupon).stock}), 0);
  expect_invariants(run);
}

TEST_F(ClaimPath, SettlesExactlyTheTotalWithALimitOfThree) {
  start_programs();
  const auto coupon = open_coupon(100, 3);
  const auto run = fire(mixed_orders(coupon, 10'000, 500));
  EXPECT_EQ(run.tally.accepted, 100);
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 100);
  EXPECT_LE(counts(coupon).max_per_user, 3);
  EXPECT_EQ(redis_number({"GET", redis::CouponKeys(coupon).stock}), 0);
  expect_invariants(run);
}

TEST_F(ClaimPath, HoldsWithSeveralEnginesAndConsumers) {
  const auto first = engine({"--mirror-name=mirror-1"});
  const int first_port = http_port_;
  const auto second = engine({"--mirror-name=mirror-2"});
  const auto consumers = std::make_pair(consumer(), consumer());
  const auto coupon = open_coupon(300, 2);
  const auto through_second = fire(mixed_orders(coupon, 2'000, 200));
  http_port_ = first_port;
  const auto through_first = fire(mixed_orders(coupon, 2'000, 200));
  EXPECT_EQ(through_first.tally.accepted + through_second.tally.accepted, 300);
  await_rest();
  EXPECT_EQ(counts(coupon).rows, 300);
  expect_invariants(through_second);
  expect_invariants(through_first);
}

TEST_F(ClaimPath, AnswersARepeatedIdempotencyKeyWithTheSameClaim) {
  start_programs();
  const auto coupon = open_coupon(10, 5);
  const auto first = claim(coupon, 7, "order-1");
  const auto again = claim(coupon, 7, "order-1");
  const auto other = claim(coupon, 7, "order-2");
  ASSERT_EQ(first.status, 202) << first.body;
  EXPECT_EQ(json_field(again.body, "claimId"), json_field(first.body, "claimId"));
  EXPECT_NE(json_field(other.body, "claimId"), json_field(first.body, "claimId"));
  await_rest();
  EXPECT_EQ(expect_invariants().settled, 2);
}

TEST_F(ClaimPath, SaysWhyAClaimIsRefused) {
  start_programs();
  const auto coupon = open_coupon(1, 1);
  EXPECT_EQ(json_field(claim(coupon + 1000, 7).body, "code"), "COUPON_NOT_FOUND");
  EXPECT_EQ(claim(coupon, 7).status, 202);
  EXPECT_EQ(json_field(claim(coupon, 8).body, "code"), "SOLD_OUT");
  EXPECT_EQ(json_field(claim(coupon, 7).body, "code"), "LIMIT_REACHED");
  EXPECT_EQ(json_field(get("/claims/1-1-1-1-0").body, "code"), "CLAIM_NOT_FOUND");
  await_rest();
  expect_invariants();
}

}  // namespace
}  // namespace flashclaim
