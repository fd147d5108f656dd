// The users of RabbitMQ: what each may not, and the queues that come from the definitions.
#include <gtest/gtest.h>

#include "engine/amqp/topology.h"
#include "tests/access/world.h"
#include "tests/harness/wait.h"
#include "tests/harness/witness.h"

namespace flashclaim::access {
namespace {

/// "" when the broker took and confirmed it, else what was said.
std::string publish(const std::string& role, std::string_view exchange, std::string_view key) {
  auto connection = World::get().amqp(role);
  if (!connection->enable_confirms()) return "no confirms";
  auto sequence = connection->publish({.exchange = exchange, .routing_key = key, .body = "x", .message_id = "m"});
  if (!sequence) return sequence.error().message;
  for (;;) {
    auto event = connection->poll(60000);
    if (!event) return event.error().message;
    if (!*event) return "no confirm";
    if (std::get_if<amqp::Confirmed>(&**event) != nullptr) return "";
  }
}

std::string said(const Result<void>& result) { return result ? "" : result.error().message; }

/// What the broker says of a subscription, which it refuses by closing the channel.
std::string consume(const std::string& role, std::string_view queue) {
  auto connection = World::get().amqp(role);
  return said(connection->consume(queue, "test", 1));
}

class RabbitmqUsers : public ::testing::Test {
 protected:
  void SetUp() override { harness::announce_denial("access_refused"); }
};

#define EXPECT_REFUSED(text) EXPECT_NE((text).find("ACCESS_REFUSED"), std::string::npos) << "said: " << (text)

TEST_F(RabbitmqUsers, PublishOnlyWhatIsTheirs) {
  EXPECT_EQ(publish("mirror", amqp::kExchange, amqp::kRoutingKey), "");
  EXPECT_REFUSED(publish("mirror", amqp::kExchange, "coupon.settled"));
  EXPECT_REFUSED(publish("mirror", "", amqp::kDeadLetterQueue));
  EXPECT_REFUSED(publish("mirror", "", amqp::kQueue));
  EXPECT_REFUSED(publish("mirror", "amq.topic", amqp::kRoutingKey));
  EXPECT_EQ(publish("consumer", "", amqp::kDeadLetterQueue), "");
  EXPECT_EQ(publish("consumer", amqp::kExchange, "coupon.settled"), "");
  EXPECT_REFUSED(publish("consumer", amqp::kExchange, amqp::kRoutingKey));
  EXPECT_REFUSED(publish("consumer", "amq.topic", "coupon.settled"));
  ASSERT_TRUE(World::get().amqp("admin")->purge_queue(amqp::kQueue));
  ASSERT_TRUE(World::get().amqp("admin")->purge_queue(amqp::kDeadLetterQueue));
}

TEST_F(RabbitmqUsers, ReadOnlyWhatIsTheirs) {
  EXPECT_EQ(consume("consumer", amqp::kQueue), "");
  EXPECT_REFUSED(consume("consumer", amqp::kDeadLetterQueue));
  EXPECT_REFUSED(consume("mirror", amqp::kQueue));
  EXPECT_EQ(consume("admin", amqp::kDeadLetterQueue), "");
}

TEST_F(RabbitmqUsers, ProgramsConfigureNothing) {
  for (const char* role : {"mirror", "consumer"}) {
    auto connection = World::get().amqp(role);
    EXPECT_TRUE(amqp::need_topology(*connection)) << role << " does not see the queues";
    EXPECT_REFUSED(said(amqp::declare_topology(*connection)));
    EXPECT_REFUSED(said(connection->declare_queue("promotion.mine", {})));
    EXPECT_REFUSED(said(connection->bind_queue(amqp::kDeadLetterQueue, amqp::kExchange, amqp::kRoutingKey)));
    auto deleted = connection->delete_queue(amqp::kQueue);
    EXPECT_TRUE(!deleted) << role << " deleted the queue";
    auto purged = connection->purge_queue(amqp::kDeadLetterQueue);
    EXPECT_TRUE(!purged) << role << " purged the dead letters";
  }
  EXPECT_REFUSED(said(World::get().amqp("admin")->declare_queue("another.system", {})));
}

TEST_F(RabbitmqUsers, NobodyIsAGuest) {
  const std::string broker = "@127.0.0.1:" + std::to_string(World::get().rabbit_server->port()) + "/%2F";
  for (const std::string who : {"guest:guest", "mirror:wrong", "consumer:"})
    EXPECT_FALSE(amqp::Connection::open("amqp://" + who + broker, {.name = "test", .deadline_ms = 60000})) << who;
}

}  // namespace
}  // namespace flashclaim::access
