// Negative controls of the consumer and of what it asks Redis and the database.
#include "engine/amqp/topology.h"
#include "tests/chaos/control_world.h"
#include "tests/harness/witness.h"

namespace flashclaim::chaos {
namespace {

class ControlConsumer : public Control {};

TEST_P(ControlConsumer, AcknowledgesAfterTheCommit) {
  without("consumer.ack_after_commit", "mirror.replay");
  const auto coupon = mirrored(20);
  let_consumer_die_at("consumer.settle.sending");
  consume_everything(coupon);
  verdict(4, "unfinished entries that are not dead");
}

/// The seed's consumer gave the unit back when the insert met a duplicate.
TEST_P(ControlConsumer, TakesADuplicateForASuccess) {
  without_sql("known_outcome", {{"'replayed' AS outcome FROM user_coupon", "'rejected' AS outcome FROM user_coupon"}});
  without("");
  const auto coupon = mirrored(10);
  let_consumer_die_at("consumer.settle.answered");
  consume_everything(coupon);
  verdict(4, "the total is 100");
}

TEST_P(ControlConsumer, FinishTrustsOnlyTheEntry) {
  harness::announce_error("dead_lettered");
  without_lua("    return absent_entry(keys, coupon, epoch, entry_id, fresh, n - size_of(refused))\n",
              "    for _ in pairs(refused) do redis.call('INCRBY', keys[2], '1') end\n    return 'FINISHED'\n");
  without("");
  poison_users_from(1'000'000);
  engine_ = engine();
  const auto coupon = open_coupon(100, 1);
  accept(coupon, 1'000'000);
  await_mirror(coupon);
  const auto messages = entries(coupon);
  ASSERT_TRUE(amqp().purge_queue(amqp::kQueue));
  deliver(messages, 3);
  consumer_ = consumer({"--workers=1"});
  EXPECT_TRUE(wait_until([&] { return amqp().queue_depth(amqp::kDeadLetterQueue).value() == 1; }));
  flashctl({"dlq", "reject", "--yes"});
  EXPECT_EQ(redis_number({"GET", redis::CouponKeys(coupon).stock}), 100);
  EXPECT_EQ(consumer_->stop(), 0);
  // A copy that was under way all the time, for longer than Redis remembers what became of its entry.
  EXPECT_EQ(redis_number({"DEL", redis::CouponKeys(coupon).result(messages[0].entry)}), 1);
  deliver(messages, 0);
  consume_everything(coupon);
  verdict(4, "the total is 100");
}

/// Redis has lost entries whose messages live: that they are absent is no proof that they were finished.
TEST_P(ControlConsumer, SkipsTheDatabaseOnlyForWhatFinishLeft) {
  without("consumer.absent_is_no_proof");
  const auto coupon = mirrored(20);
  for (const auto& message : entries(coupon))
    EXPECT_EQ(redis_number({"XDEL", redis::CouponKeys(coupon).claims, message.entry.text()}), 1);
  EXPECT_EQ(redis_number({"HINCRBY", redis::CouponKeys(coupon).coupon, "inflight", "-20"}), 0);
  consume_everything(coupon);
  verdict(3, "acknowledged claims are nowhere");
}

/// A message whose checksums are right, about a real entry, with other users.
TEST_P(ControlConsumer, AMessageSaysWhatItsEntrySays) {
  harness::announce_error("dead_lettered");
  without("consumer.entry_says_the_same", "consumer.reconciler");
  const auto coupon = mirrored(1);
  auto messages = entries(coupon);
  ASSERT_TRUE(amqp().purge_queue(amqp::kQueue));
  auto forged = messages;
  forged[0].users = {777};
  deliver(forged, 0);
  deliver(messages, 0);
  consume_everything(coupon);
  (void)amqp().purge_queue(amqp::kDeadLetterQueue);
  verdict(3, "have another user");
}

TEST_P(ControlConsumer, ClaimCountsTheUser) {
  without_lua("      counts[user] = counts[user] + 1\n", "      counts[user] = counts[user] + 0\n");
  without("", "consumer.reconciler");
  engine_ = engine();
  const auto coupon = open_coupon(100, 1);
  claim_for(coupon, {7, 7, 7});
  EXPECT_EQ(told_.acknowledged.size(), removed() ? 3U : 1U);
  consume_everything(coupon);
  verdict(4, "user counts differ");
}

FLASHCLAIM_CONTROL(ControlConsumer);

}  // namespace
}  // namespace flashclaim::chaos
