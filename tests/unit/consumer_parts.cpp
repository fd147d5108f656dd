// The parts of the consumer that need no service: items, dismissals, back-off, the wish to stop.
#include <gtest/gtest.h>

#include <thread>

#include "consumer/batch.h"
#include "consumer/retry_policy.h"
#include "consumer/stop.h"
#include "engine/amqp/topology.h"
#include "engine/base/backoff.h"
#include "engine/base/digest.h"

namespace flashclaim::consumer {
namespace {

mirror::EntryMessage message() { return {42, 3, {1'795'380'024'805, 1}, {7, 8}}; }

amqp::Delivery delivery(const std::string& body, const std::string& body_checksum) {
  amqp::Delivery made;
  made.body = body;
  made.message_id = message().message_id();
  made.headers = {{std::string(amqp::kChecksumHeader), body_checksum}};
  return made;
}

Item failed(Fault fault, const std::string& attempts) {
  Item item = make_item(delivery("body", checksum("body")));
  if (!attempts.empty()) item.delivery.headers.emplace_back(amqp::kAttemptsHeader, attempts);
  item.fail(fault, "why");
  return item;
}

TEST(ConsumerItem, IsReceivedWhenItDecodes) {
  const std::string body = mirror::encode(message());
  const Item item = make_item(delivery(body, checksum(body)));
  EXPECT_EQ(item.stage, Stage::kReceived);
  ASSERT_TRUE(item.message);
  EXPECT_EQ(*item.message, message());
  EXPECT_EQ(item.claims(), 2);
}

TEST(ConsumerItem, IsFaultyWhenItsChecksumIsNotThatOfItsBody) {
  const std::string body = mirror::encode(message());
  const Item item = make_item(delivery(body, checksum(body + " ")));
  EXPECT_EQ(item.stage, Stage::kFaulty);
  EXPECT_EQ(item.fault, Fault::kUndecodable);
  EXPECT_EQ(item.claims(), 0);
}

TEST(ConsumerItem, KnowsItsEntryFromTheMessageIdWhenItsBodyIsBroken) {
  Item item = make_item(delivery("broken", ""));
  const auto name = entry_name(item);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->coupon_id, 42);
  EXPECT_EQ(name->epoch, 3);
  EXPECT_EQ(name->entry, message().entry);
  for (const char* unknown : {"", "42", "42-3-5", "42-3-5-1-0", "x-3-5-1"}) {
    item.delivery.message_id = unknown;
    EXPECT_FALSE(entry_name(item)) << unknown;
  }
}

TEST(ConsumerBatch, IsAcknowledgedUpToItsFirstUndoneItem) {
  Batch batch(3);
  for (std::uint64_t i = 0; i < 3; ++i) batch[i].delivery.delivery_tag = 10 + i;
  EXPECT_EQ(done_through(batch), 0U);
  batch[1].stage = Stage::kDone;
  EXPECT_EQ(done_through(batch), 0U);
  batch[0].stage = Stage::kDone;
  EXPECT_EQ(done_through(batch), 11U);
  batch[2].stage = Stage::kDone;
  EXPECT_EQ(done_through(batch), 12U);
}

TEST(ConsumerDismissal, TriesThreeTimesThenGivesUp) {
  const struct {
    const char* attempts;
    std::string queue;
    int after;
  } steps[] = {{"", amqp::retry_queue(1000), 1},
               {"1", amqp::retry_queue(5000), 2},
               {"2", amqp::retry_queue(25000), 3},
               {"3", std::string(amqp::kDeadLetterQueue), 3},
               {"99", std::string(amqp::kDeadLetterQueue), 3}};
  for (const auto& step : steps) {
    const RetryDecision plan = plan_retry(failed(Fault::kUndecodable, step.attempts));
    EXPECT_EQ(plan.queue, step.queue);
    EXPECT_EQ(plan.attempts, step.after);
    EXPECT_EQ(plan.dead, step.queue == amqp::kDeadLetterQueue);
  }
}

TEST(ConsumerDismissal, CountsAHeaderThatIsNoNumberAsNoAttempt) {
  for (const char* garbage : {"-1", " 1", "0x1", "one", "1e1"}) {
    const RetryDecision plan = plan_retry(failed(Fault::kSqlData, garbage));
    EXPECT_EQ(plan.queue, amqp::retry_queue(1000)) << garbage;
    EXPECT_EQ(plan.attempts, 1) << garbage;
  }
}

TEST(ConsumerDismissal, RetriesNothingThatCannotChange) {
  EXPECT_TRUE(plan_retry(failed(Fault::kIdConflict, "")).dead);
  EXPECT_TRUE(plan_retry(failed(Fault::kMismatch, "")).dead);
  EXPECT_FALSE(plan_retry(failed(Fault::kDamagedKey, "")).dead);
}

TEST(ConsumerDismissal, KeepsTheChecksumAndSaysWhy) {
  const RetryDecision plan = plan_retry(failed(Fault::kSqlData, "1"));
  const amqp::Headers expected = {{std::string(amqp::kChecksumHeader), checksum("body")},
                                  {std::string(amqp::kAttemptsHeader), "2"},
                                  {std::string(amqp::kFaultHeader), "sql_data"},
                                  {std::string(amqp::kFaultDetailHeader), "why"}};
  EXPECT_EQ(plan.headers, expected);
}

TEST(ConsumerBackoff, DoublesUpToItsCapWithJitterAndStartsAgain) {
  Backoff backoff(50, 400);
  for (const int step : {50, 100, 200, 400, 400, 400}) {
    const int delay = backoff.next_ms();
    EXPECT_GE(delay, step / 2);
    EXPECT_LE(delay, step);
  }
  backoff.reset();
  EXPECT_LE(backoff.next_ms(), 50);
}

TEST(ConsumerStop, WakesWhoeverWaits) {
  Stop stop;
  EXPECT_FALSE(stop.wait_for(std::chrono::milliseconds(1)));
  std::thread teller([&stop] { stop.tell(); });
  EXPECT_TRUE(stop.wait_for(std::chrono::hours(1)));
  EXPECT_TRUE(stop.told());
  teller.join();
}

}  // namespace
}  // namespace flashclaim::consumer
