// The exchange and queues: declared repeatedly, refused when they differ, and a retry that never loses its message.
#include <gtest/gtest.h>

#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim::amqp {
namespace {

class Topology : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened =
        Connection::open(harness::PrivateRabbit::shared().fresh_vhost(), {.name = "test", .deadline_ms = 60000});
    ASSERT_TRUE(opened) << opened.error().message;
    connection_ = std::move(*opened);
  }
  void declare() {
    auto declared = declare_topology(*connection_);
    ASSERT_TRUE(declared) << declared.error().message;
  }
  void publish(std::string_view exchange, std::string_view key, const std::string& id) {
    auto sequence = connection_->publish({exchange, key, "body", id, {{std::string(kAttemptsHeader), "1"}}, true});
    ASSERT_TRUE(sequence) << sequence.error().message;
    while (true) {
      auto event = connection_->poll(60000);
      ASSERT_TRUE(event && *event);
      ASSERT_FALSE(std::holds_alternative<Returned>(**event));
      const auto* confirmed = std::get_if<Confirmed>(&**event);
      if (confirmed == nullptr) continue;
      ASSERT_TRUE(confirmed->ack);
      if (confirmed->sequence >= *sequence) return;
    }
  }
  /// Takes the next message off the queue, waiting for it.
  std::optional<Delivery> take(std::string_view queue) {
    std::optional<Delivery> found;
    (void)harness::wait_until([&] {
      auto delivery = connection_->get(queue);
      if (!delivery || !*delivery) return false;
      found = std::move(**delivery);
      return connection_->ack(found->delivery_tag, false).has_value();
    });
    return found;
  }
  std::unique_ptr<Connection> connection_;
};

TEST_F(Topology, CanBeDeclaredByEverybodyAgainAndAgain) {
  for (int i = 0; i < 3; ++i) declare();
  ASSERT_TRUE(connection_->enable_confirms());
  publish(kExchange, kRoutingKey, "m-1");
  EXPECT_EQ(connection_->queue_depth(kQueue).value(), 1);
}

TEST_F(Topology, AQueueWithOtherArgumentsIsNamed) {
  ASSERT_TRUE(connection_->declare_queue(retry_queue(5000), {.quorum = true, .ttl_ms = 7}));
  auto declared = declare_topology(*connection_);
  ASSERT_FALSE(declared);
  EXPECT_NE(declared.error().message.find("promotion.coupon.receive.retry.5000"), std::string::npos)
      << declared.error().message;
  EXPECT_TRUE(connection_->open());
}

// RabbitMQ drops a message that comes back to a queue in which it died, when it only ever expired. Ours never dies in
// the main queue, and each round publishes it anew: ten rounds, one message.
TEST_F(Topology, TenRoundsThroughTheRetryQueueKeepTheMessage) {
  declare();
  ASSERT_TRUE(connection_->enable_confirms());
  publish(kExchange, kRoutingKey, "m-1");
  for (int round = 0; round < 10; ++round) {
    auto delivery = take(kQueue);
    ASSERT_TRUE(delivery) << "lost in round " << round;
    EXPECT_EQ(delivery->message_id, "m-1");
    publish("", retry_queue(kRetryDelaysMs[0]), delivery->message_id);
  }
  EXPECT_TRUE(take(kQueue));
  EXPECT_EQ(connection_->queue_depth(retry_queue(kRetryDelaysMs[0])).value(), 0);
}

// While the main queue is missing a retry queue keeps what expired (dead-lettering at least once), and delivers it
// later.
TEST_F(Topology, AMessageThatExpiresWhileTheMainQueueIsMissingIsKept) {
  // How long the broker waits before it tries again: three minutes by default, read when the queue is declared.
  harness::PrivateRabbit::shared().ctl(
      {"eval", "application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 2000)."});
  declare();
  ASSERT_TRUE(connection_->enable_confirms());
  ASSERT_TRUE(connection_->delete_queue(kQueue));
  publish("", retry_queue(kRetryDelaysMs[0]), "m-1");
  // Wait until the broker has tried: an expired message is no longer among the ready ones.
  ASSERT_TRUE(
      harness::wait_until([&] { return connection_->queue_depth(retry_queue(kRetryDelaysMs[0])).value() == 0; }));
  declare();
  EXPECT_TRUE(take(kQueue));
}

TEST_F(Topology, ADeadLetterStaysAndKeepsItsHeaders) {
  declare();
  ASSERT_TRUE(connection_->enable_confirms());
  publish("", kDeadLetterQueue, "m-1");
  auto delivery = take(kDeadLetterQueue);
  ASSERT_TRUE(delivery);
  EXPECT_EQ(delivery->header(kAttemptsHeader), "1");
}

}  // namespace
}  // namespace flashclaim::amqp
