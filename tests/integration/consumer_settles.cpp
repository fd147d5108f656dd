// The consumer with every service at work: what it settles, finishes, refuses and acknowledges.
#include <csignal>

#include "engine/amqp/topology.h"
#include "engine/operations/rebuild.h"
#include "engine/postgres/settle.h"
#include "engine/redis/keys.h"
#include "tests/harness/gate.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/witness.h"
#include "tests/integration/consumer_world.h"

namespace flashclaim::consumer {
namespace {

using harness::wait_until;

std::vector<postgres::SettleClaim> claims_of(const mirror::EntryMessage& message) {
  std::vector<postgres::SettleClaim> claims;
  for (std::size_t i = 0; i < message.users.size(); ++i)
    claims.push_back({message.coupon_id, message.epoch, message.entry, static_cast<int>(i), message.users[i]});
  return claims;
}

class ConsumerSettles : public ConsumerTest {
 protected:
  /// Messages whose entry was finished already: seen before the database was asked, or after it.
  [[nodiscard]] double duplicates() const {
    return metric("flashclaim_consumer_finishes_total{reply=\"BEFORE\"}") +
           metric("flashclaim_consumer_finishes_total{reply=\"ABSENT\"}");
  }
};

TEST_F(ConsumerSettles, AClaimAsOneRow) {
  const auto id = coupon(10);
  const auto message = accept(id, {7});
  deliver(message);
  start();
  ASSERT_TRUE(settles(id, 1));
  const auto known = postgres::find_claim(pg(), message.claim_id(0));
  ASSERT_TRUE(known && *known);
  EXPECT_EQ((*known)->user_id, 7);
  EXPECT_FALSE((*known)->refusal);
  EXPECT_EQ(field(id, "inflight"), "0");
  EXPECT_EQ(stock(id), 9);
  EXPECT_EQ(command({"GET", redis::CouponKeys(id).result(message.entry)}), "1 7 settled");
  stop();
  EXPECT_TRUE(queue_empty());
  expect_books_agree();
}

TEST_F(ConsumerSettles, ACopyOfAFinishedMessageWithoutAskingTheDatabase) {
  const auto id = coupon(100);
  const auto messages = accept_many(id, 20, 3);
  deliver(messages);
  harness::Gate gate(harness::PrivatePostgres::shared().port());
  Options through = options();
  through.pg_url = gate.through(pg_url_);
  start(through);
  ASSERT_TRUE(settles(id, 60));
  gate.set(harness::GateMode::kRefuse);
  for (int copy = 0; copy < 5; ++copy) deliver(messages);
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_finishes_total{reply=\"BEFORE\"}") == 100; }))
      << service().metrics().text();
  EXPECT_EQ(metric("flashclaim_consumer_holds_total{service=\"postgres\"}"), 0);
  stop();
  EXPECT_TRUE(queue_empty());
  EXPECT_EQ(field(id, "suspect"), "");
  expect_books_agree();
}

// Accepted with a 202, lost by Redis, alive in its message alone (INV-3): that the entry is absent proves nothing.
TEST_F(ConsumerSettles, AClaimThatRedisLostAndOnlyItsMessageHolds) {
  const auto id = coupon(100);
  const auto message = accept(id, {7, 8});
  accept(id, {9});
  command({"XDEL", redis::CouponKeys(id).claims, message.entry.text()});
  deliver(message);
  start();
  ASSERT_TRUE(wait_until([&] { return rows(id) == 2; }));
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_unaccepted_claims_total") == 2; }));
  EXPECT_EQ(field(id, "unaccepted"), "2");
  operations::CheckOptions wanted;
  wanted.at_rest = false;
  const auto report = operations::check(redis(), pg(), nullptr, coupons_, wanted);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->unaccepted, 2);
}

TEST_F(ConsumerSettles, NothingForAMessageThatSaysOtherThanItsEntry) {
  harness::announce_error("dead_lettered");
  const auto id = coupon(100);
  const auto message = accept(id, {7, 8});
  auto forged = message;
  forged.users = {1007, 1008};
  auto longer = message;
  longer.users.push_back(1009);
  deliver(forged);
  deliver(longer);
  start();
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_dead_letters_total{fault=\"mismatch\"}") == 2; }));
  EXPECT_EQ(rows(id), 0);
  EXPECT_FALSE(dead(message)) << "its own message will come";
  deliver(message);
  ASSERT_TRUE(settles(id, 2));
  deliver(forged);
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_dead_letters_total{fault=\"mismatch\"}") == 3; }));
  stop();
  EXPECT_EQ(take_dead_letters().size(), 3U);
  EXPECT_EQ(rows(id), 2);
  expect_books_agree();
}

TEST_F(ConsumerSettles, EveryCopyOfAMessageOnce) {
  const auto id = coupon(100, 3);
  const auto first = accept(id, {7, 8, 7});
  const auto second = accept(id, {9});
  deliver(first, 20);
  deliver(second, 3);
  deliver(first, 20);
  start();
  ASSERT_TRUE(settles(id, 4));
  ASSERT_TRUE(wait_until([&] { return duplicates() == 41; })) << service().metrics().text();
  stop();
  EXPECT_TRUE(queue_empty());
  EXPECT_EQ(rows(id), 4);
  EXPECT_EQ(stock(id), 96);
  expect_books_agree();
}

TEST_F(ConsumerSettles, WhatAnotherConsumerSettledBeforeItDied) {
  const auto id = coupon(10);
  const auto message = accept(id, {7, 8});
  ASSERT_TRUE(postgres::settle_claims(pg(), claims_of(message)));
  deliver(message);
  start();
  ASSERT_TRUE(settles(id, 2));
  EXPECT_EQ(metric("flashclaim_consumer_claims_replayed_total{outcome=\"settled\"}"), 2);
  EXPECT_EQ(metric("flashclaim_consumer_claims_total{outcome=\"settled\"}"), 0);
  stop();
  EXPECT_TRUE(queue_empty());
  expect_books_agree();
}

TEST_F(ConsumerSettles, ManyEntriesOfManyCouponsWithTwoProcesses) {
  const auto one = coupon(2000);
  const auto other = coupon(2000);
  auto messages = accept_many(one, 150, 8);
  const auto more = accept_many(other, 150, 5);
  messages.insert(messages.end(), more.begin(), more.end());
  const auto first = start_process({"--workers", "2", "--claims-max", "100", "--prefetch", "20"});
  const auto second = start_process({"--workers", "2", "--claims-max", "100", "--prefetch", "20"});
  deliver(messages);
  deliver(messages);
  ASSERT_TRUE(settles(one, 1200));
  ASSERT_TRUE(settles(other, 750));
  EXPECT_EQ(first->stop(), 0) << first->output();
  EXPECT_EQ(second->stop(), 0) << second->output();
  ASSERT_TRUE(drains());
  EXPECT_EQ(rows(one), 1200);
  EXPECT_EQ(rows(other), 750);
  expect_books_agree();
}

TEST_F(ConsumerSettles, AndReturnsAUnitThatTheDatabaseRefusesExactlyOnce) {
  const auto id = coupon(2);
  command({"INCRBY", redis::CouponKeys(id).stock, "1"});  // a phantom unit
  Options patient = options();
  patient.mend_every_ms = 3'600'000;
  start(patient);
  // The reconciler has had its one round before the claims come.
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_coupon_drift{coupon=\"1\",of=\"stock\"}") == 1; }));
  const auto message = accept(id, {7, 8, 9});
  deliver(message, 3);
  ASSERT_TRUE(wait_until([&] { return duplicates() == 2; }));
  EXPECT_EQ(rows(id), 2);
  EXPECT_EQ(stock(id), 1);
  EXPECT_EQ(command({"EXISTS", redis::CouponKeys(id).user(9)}), "");
  EXPECT_EQ(command({"GET", redis::CouponKeys(id).result(message.entry)}), "1 7,8,9 settled,settled,out_of_stock");
  EXPECT_EQ(metric("flashclaim_consumer_claims_total{outcome=\"out_of_stock\"}"), 1);
}

TEST_F(ConsumerSettles, AndMendsTheStockThatMadeTheDatabaseRefuse) {
  const auto id = coupon(2);
  command({"INCRBY", redis::CouponKeys(id).stock, "1"});
  start();
  deliver(accept(id, {7, 8, 9}));
  ASSERT_TRUE(wait_until([&] { return rows(id) == 2 && in_stream(id) == 0 && stock(id) == 0; }));
  EXPECT_TRUE(wait_until([&] { return field(id, "suspect").empty(); }));
  stop();
  expect_books_agree();
}

TEST_F(ConsumerSettles, AndMendsTheUserCountThatMadeTheDatabaseRefuse) {
  const auto id = coupon(10);
  deliver(accept(id, {7}));
  start();
  ASSERT_TRUE(settles(id, 1));
  command({"DEL", redis::CouponKeys(id).user(7)});  // Redis forgot: the same user passes again
  deliver(accept(id, {7}));
  ASSERT_TRUE(wait_until([&] { return in_stream(id) == 0 && field(id, "suspect").empty(); }));
  ASSERT_TRUE(wait_until([&] { return command({"GET", redis::CouponKeys(id).user(7)}) == "1"; }));
  EXPECT_EQ(rows(id), 1);
  EXPECT_EQ(stock(id), 9);
  stop();
  expect_books_agree();
}

TEST_F(ConsumerSettles, NothingOfAnEarlierEpoch) {
  const auto id = coupon(10);
  const auto message = accept(id, {7});
  harness::PrivateRedis::shared().flush();
  ASSERT_TRUE(redis::mark_ready(redis()));
  const auto rebuilt = operations::rebuild_coupon(redis(), pg(), id);
  ASSERT_TRUE(rebuilt) << rebuilt.error().message;
  ASSERT_EQ(rebuilt->outcome, operations::RebuildOutcome::kOpen);
  deliver(message);
  start();
  ASSERT_TRUE(wait_until([&] {
    const auto known = postgres::find_claim(pg(), message.claim_id(0));
    return known && *known && (*known)->refusal == postgres::Outcome::kStaleEpoch;
  }));
  stop();
  EXPECT_TRUE(queue_empty());
  EXPECT_EQ(rows(id), 0);
  EXPECT_EQ(stock(id), 10);
  EXPECT_TRUE(take_dead_letters().empty());
}

TEST_F(ConsumerSettles, AndFreezesACouponWhoseRedisIsOfThePast) {
  harness::announce_error("coupon_frozen");
  const auto id = coupon(10);
  auto future = accept(id, {7});
  deliver(future);
  start();
  ASSERT_TRUE(settles(id, 1));
  future.entry.ms += 1'000'000'000;  // settled by the database, never given out by this Redis
  future.users = {8};
  ASSERT_TRUE(postgres::settle_claims(pg(), claims_of(future)));
  ASSERT_TRUE(wait_until([&] { return field(id, "status") == "loading"; }));
  EXPECT_TRUE(wait_until([&] { return metric("flashclaim_consumer_frozen_total") == 1; }));  // counted after it is done
}

TEST_F(ConsumerSettles, AndTellsItsState) {
  const auto id = coupon(10);
  start();
  ASSERT_TRUE(wait_until([&] { return harness::raw_request(service().admin_port(), "GET", "/readyz").status == 200; }));
  deliver(accept(id, {7}));
  ASSERT_TRUE(settles(id, 1));
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_claims_total{outcome=\"settled\"}") == 1; }));
  const auto answer = harness::raw_request(service().admin_port(), "GET", "/metrics");
  EXPECT_NE(answer.body.find("flashclaim_consumer_claims_total{outcome=\"settled\"} 1"), std::string::npos);
  ASSERT_TRUE(wait_until([&] {
    const std::string text = service().metrics().text();
    return text.find("flashclaim_queue_messages{queue=\"promotion.coupon.receive.queue\"} 0") != std::string::npos &&
           text.find("flashclaim_coupon_drift{coupon=\"1\",of=\"stock\"} 0") != std::string::npos;
  })) << service().metrics().text();
}

TEST_F(ConsumerSettles, EverythingAlthoughItIsStoppedInTheMiddle) {
  const auto id = coupon(10'000);
  const auto messages = accept_many(id, 400, 10);
  auto process = start_process({"--workers", "2", "--claims-max", "20"});
  deliver(messages);
  ASSERT_TRUE(wait_until([&] { return rows(id) > 0; }));
  EXPECT_EQ(process->stop(), 0) << process->output();
  EXPECT_EQ(process->output().find("batch_left"), std::string::npos);
  const auto settled = rows(id);
  EXPECT_EQ(in_stream(id), 400 - settled / 10) << "a batch was settled and not finished";
  process = start_process();
  ASSERT_TRUE(settles(id, 4000));
  EXPECT_EQ(process->stop(), 0) << process->output();
  ASSERT_TRUE(drains());
  expect_books_agree();
}

TEST_F(ConsumerSettles, EverythingAlthoughItIsKilledAgainAndAgain) {
  const auto id = coupon(10'000);
  const auto messages = accept_many(id, 300, 10);
  deliver(messages);
  for (int life = 1; life <= 5; ++life) {
    const auto before = rows(id);
    const auto process = start_process({"--workers", "2", "--claims-max", "50"});
    ASSERT_TRUE(wait_until([&] { return rows(id) > before || before == 3000; })) << process->output();
    process->signal(SIGKILL);
    ASSERT_EQ(process->wait(), 128 + SIGKILL);
  }
  start();
  ASSERT_TRUE(settles(id, 3000));
  ASSERT_TRUE(drains());
  EXPECT_TRUE(take_dead_letters().empty());
  expect_books_agree();
}

TEST(ConsumerProgram, SaysWhatIsWrongWithItsFlags) {
  const auto usage = [](const std::vector<std::string>& arguments) {
    return harness::run_program("flashclaim-consumer", arguments).exit_code;
  };
  EXPECT_EQ(usage({"--help"}), 0);
  EXPECT_EQ(usage({"--workers", "0"}), 2);
  EXPECT_EQ(usage({"--prefetch", "2001"}), 2);
  EXPECT_EQ(usage({"--claims-max", "9001"}), 2);
  EXPECT_EQ(usage({"--nonsense"}), 2);
  EXPECT_EQ(usage({"word"}), 2);
  EXPECT_EQ(usage({"--admin-listen", "nowhere"}), 2);
}

}  // namespace
}  // namespace flashclaim::consumer
