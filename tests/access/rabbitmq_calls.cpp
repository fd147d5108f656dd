// Each user of RabbitMQ x each queue and exchange x each thing that a connection of ours can do there.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "engine/access/access.h"
#include "engine/amqp/rights.h"
#include "engine/amqp/topology.h"
#include "tests/access/world.h"
#include "tests/harness/logins.h"
#include "tests/harness/witness.h"

namespace flashclaim::access {
namespace {

using amqp::Connection;

template <class T>
std::string said(const Result<T>& result) {
  return result ? "" : result.error().message;
}

/// What the programs and flashctl do to a queue. To delete is to configure, like to declare, and is not tried.
std::map<std::string, std::function<std::string(Connection&, const amqp::QueueDeclaration&)>> deeds_on_queues() {
  return {
      {"see", [](Connection& as, const auto& queue) { return said(as.queue_state(queue.name)); }},
      {"consume", [](Connection& as, const auto& queue) { return said(as.consume(queue.name, "test", 1)); }},
      {"get", [](Connection& as, const auto& queue) { return said(as.get(queue.name)); }},
      {"purge", [](Connection& as, const auto& queue) { return said(as.purge_queue(queue.name)); }},
      {"declare",
       [](Connection& as, const auto& queue) { return said(as.declare_queue(queue.name, queue.arguments)); }},
      {"bind", [](Connection& as,
                  const auto& queue) { return said(as.bind_queue(queue.name, amqp::kExchange, "test.nobody")); }},
      {"send",
       [](Connection& as, const auto& queue) {
         const auto may = as.may_publish("", queue.name);
         return may && !*may ? std::string("ACCESS_REFUSED") : said(may);
       }},
  };
}

constexpr const char* kAll = "bind consume declare get purge see send";
/// What each may do to each queue. A queue or a user that is not here fails until somebody decides.
const std::map<std::pair<std::string, std::string>, std::string> kQueues = [] {
  std::map<std::pair<std::string, std::string>, std::string> all;
  for (const std::string queue :
       {"promotion.coupon.receive.queue", "promotion.coupon.receive.dlq", "promotion.coupon.receive.retry.1000",
        "promotion.coupon.receive.retry.5000", "promotion.coupon.receive.retry.25000"}) {
    all[{"mirror", queue}] = "see";
    all[{"consumer", queue}] = "see send";
    all[{"admin", queue}] = kAll;
  }
  all[{"consumer", "promotion.coupon.receive.queue"}] = "consume get purge see send";  // to read is to purge
  return all;
}();

/// By which routing keys each may publish to our exchange; and nobody to another's.
const std::map<std::string, std::string> kKeys = {
    {"mirror", "coupon.receive"},
    {"consumer", "coupon.refused coupon.settled"},
    {"admin", "another coupon.receive coupon.refused coupon.settled flashclaim.probe"},
};

std::vector<std::string> users() {
  std::vector<std::string> names;
  for (const access::AccessUser& user : access::access_users())
    if (user.service == "rabbitmq") names.emplace_back(user.role);
  return names;
}

std::string joined(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

class RabbitmqCalls : public ::testing::Test {
 protected:
  void SetUp() override { harness::announce_denial("access_refused"); }
};

TEST_F(RabbitmqCalls, OnEachQueueAreAllowedOrRefusedToEachUser) {
  for (const std::string& user : users()) {
    for (const amqp::QueueDeclaration& queue : amqp::topology_queues()) {
      std::set<std::string> allowed;
      for (const auto& [deed, act] : deeds_on_queues()) {
        const auto connection = World::get().amqp(user);  // what is refused may end it
        const std::string answer = act(*connection, queue);
        if (answer.empty()) {
          allowed.insert(deed);
        } else {
          EXPECT_NE(answer.find("ACCESS_REFUSED"), std::string::npos) << user << ' ' << deed << ": " << answer;
        }
      }
      const auto decided = kQueues.find({user, queue.name});
      ASSERT_NE(decided, kQueues.end()) << "decide what " << user << " may do to " << queue.name;
      EXPECT_EQ(joined(allowed), decided->second) << user << " on " << queue.name;
    }
  }
}

TEST_F(RabbitmqCalls, ToEachExchangeAreAllowedOrRefusedToEachUser) {
  for (const std::string& user : users()) {
    const auto connection = World::get().amqp(user);
    EXPECT_TRUE(connection->exchange_state(amqp::kExchange)) << user << " does not see the exchange";
    EXPECT_EQ(connection->declare_topic_exchange(amqp::kExchange).has_value(), user == "admin") << user;
    std::set<std::string> keys;
    for (const std::string key : {"coupon.receive", "coupon.settled", "coupon.refused", "flashclaim.probe", "another"})
      if (connection->may_publish(amqp::kExchange, key).value()) keys.insert(key);
    ASSERT_TRUE(kKeys.contains(user)) << "decide what " << user << " may publish";
    EXPECT_EQ(joined(keys), kKeys.at(user)) << user;
    for (const std::string exchange : {"amq.topic", "amq.fanout", "amq.direct"})
      EXPECT_FALSE(connection->may_publish(exchange, "coupon.receive").value()) << user << " to " << exchange;
  }
}

// The question itself puts nothing anywhere, and harms no publish beside it.
TEST_F(RabbitmqCalls, AskedForARightToPublishPutNothingIntoAQueue) {
  const auto mirror = World::get().amqp("mirror");
  ASSERT_TRUE(mirror->enable_confirms());
  const auto before = mirror->queue_depth(amqp::kQueue);
  EXPECT_TRUE(mirror->may_publish(amqp::kExchange, amqp::kRoutingKey).value());
  EXPECT_FALSE(mirror->may_publish("", amqp::kQueue).value());
  EXPECT_TRUE(mirror->open());
  EXPECT_EQ(mirror->queue_depth(amqp::kQueue).value(), before.value());
  ASSERT_TRUE(
      mirror->publish({.exchange = amqp::kExchange, .routing_key = amqp::kRoutingKey, .body = "x", .message_id = "m"}));
  const auto event = mirror->poll(60'000);
  ASSERT_TRUE(event && event->has_value());
  EXPECT_TRUE(std::holds_alternative<amqp::Confirmed>(**event));
  EXPECT_TRUE(World::get().amqp("admin")->purge_queue(amqp::kQueue));
}

// The admin may publish everything, so at RabbitMQ its login is as good as the mirror's.
TEST_F(RabbitmqCalls, ThatReadyzAsksForAreAllowedToTheProgramsUser) {
  for (const auto user : {amqp::User::kMirror, amqp::User::kConsumer}) {
    for (const std::string& role : users()) {
      const auto connection = World::get().amqp(role);
      const bool may = role == amqp::word(user) || role == "admin";
      EXPECT_EQ(amqp::missing_right(*connection, user).value().empty(), may) << amqp::word(user) << " as " << role;
    }
  }
}

TEST_F(RabbitmqCalls, NameEachRightThatIsTakenAway) {
  const std::string url = World::get().rabbit_server->fresh_vhost();
  const std::string vhost = url.substr(url.rfind('/') + 1);
  ASSERT_TRUE(amqp::declare_topology(
      *Connection::open(harness::as("admin", url), {.name = "test", .deadline_ms = 60'000}).value()));
  const auto missing = [&](amqp::User user) {
    const auto connection =
        Connection::open(harness::as(std::string(amqp::word(user)), url), {.name = "test", .deadline_ms = 60'000});
    return amqp::missing_right(**connection, user).value();
  };
  EXPECT_EQ(missing(amqp::User::kMirror), "");
  EXPECT_EQ(missing(amqp::User::kConsumer), "");
  allow_to_publish(vhost, "mirror", "^$", "^coupon.receive$");
  EXPECT_EQ(missing(amqp::User::kMirror), "publish to promotion.topic by coupon.receive");
  allow_to_publish(vhost, "mirror", "^promotion.topic$", "^another$");
  EXPECT_EQ(missing(amqp::User::kMirror), "publish to promotion.topic by coupon.receive");
  allow_to_publish(vhost, "consumer", "^promotion.topic$", "^coupon");
  EXPECT_EQ(missing(amqp::User::kConsumer), "publish to the default exchange by promotion.coupon.receive.dlq");
  allow_to_publish(vhost, "consumer", "^(amq.default|promotion.topic)$", "^coupon.refused$");
  EXPECT_EQ(missing(amqp::User::kConsumer), "publish to promotion.topic by coupon.settled");
  allow_to_publish(vhost, "consumer", "^(amq.default|promotion.topic)$", "^coupon.settled$");
  EXPECT_EQ(missing(amqp::User::kConsumer), "publish to promotion.topic by coupon.refused");
}

}  // namespace
}  // namespace flashclaim::access
