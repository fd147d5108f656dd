// The AMQP connection against a real broker: confirms, returns, refusals, and above all that no call waits for ever.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/base/digest.h"
#include "engine/base/url.h"
#include "tests/harness/gate.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim::amqp {
namespace {

using harness::Gate;
using harness::GateMode;
using harness::PrivateRabbit;
using harness::wait_until;

std::unique_ptr<Connection> must_open(const std::string& url, const Options& options = {.name = "test"}) {
  auto connection = Connection::open(url, options);
  if (!connection) throw std::runtime_error(connection.error().message);
  return std::move(*connection);
}

/// The next event of the wanted kind; others before it are dropped. Fails the test on an error or after a minute.
template <class Wanted>
Wanted next(Connection& connection) {
  for (int turn = 0; turn < 600; ++turn) {
    auto event = connection.poll(100);
    if (!event) throw std::runtime_error(event.error().message);
    if (*event && std::holds_alternative<Wanted>(**event)) return std::get<Wanted>(std::move(**event));
  }
  throw std::runtime_error("the event did not come");
}

/// Until every publish up to `last` has its answer; the sequences that the broker refused.
std::vector<std::uint64_t> answers_up_to(Connection& connection, std::uint64_t last) {
  std::vector<std::uint64_t> refused;
  std::map<std::uint64_t, bool> open;
  for (std::uint64_t i = 1; i <= last; ++i) open[i] = true;
  while (!open.empty()) {
    auto confirmed = next<Confirmed>(connection);
    for (auto at = open.begin(); at != open.end() && at->first <= confirmed.sequence;) {
      if (!confirmed.multiple && at->first != confirmed.sequence) {
        ++at;
        continue;
      }
      if (!confirmed.ack) refused.push_back(at->first);
      at = open.erase(at);
    }
  }
  return refused;
}

class AmqpConnection : public ::testing::Test {
 protected:
  void SetUp() override {
    url_ = PrivateRabbit::shared().fresh_vhost();
    connection_ = must_open(url_);
  }
  void declare(const std::string& queue, const QueueArguments& arguments = {}) {
    auto declared = connection_->declare_queue(queue, arguments);
    ASSERT_TRUE(declared) << declared.error().message;
  }
  std::string url_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(AmqpConnection, CarriesABodyOfEverySizeWithIdAndHeaders) {
  declare("q");
  ASSERT_TRUE(connection_->enable_confirms());
  // Around the frame's limit: 131072 - 8 is the largest body of one frame, and librabbitmq 0.11 stalls at its
  // multiples.
  const std::vector<std::size_t> sizes = {0, 1, 4096, 131063, 131064, 131065, 262128, 1 << 20};
  for (auto size : sizes) {
    std::string body(size, 'x');
    if (size > 0) body.back() = 'y';
    auto sequence =
        connection_->publish({"", "q", body, "id-" + std::to_string(size), {{"x-attempts", "2"}, {"k", ""}}, true});
    ASSERT_TRUE(sequence) << sequence.error().message;
  }
  EXPECT_TRUE(answers_up_to(*connection_, sizes.size()).empty());
  for (auto size : sizes) {
    auto delivery = connection_->get("q");
    ASSERT_TRUE(delivery) << delivery.error().message;
    ASSERT_TRUE(delivery->has_value());
    EXPECT_EQ((*delivery)->body.size(), size);
    EXPECT_TRUE(size == 0 || (*delivery)->body.back() == 'y');
    EXPECT_EQ((*delivery)->message_id, "id-" + std::to_string(size));
    EXPECT_EQ((*delivery)->header("x-attempts"), "2");
    EXPECT_EQ((*delivery)->header("k"), "");
    ASSERT_TRUE(connection_->ack((*delivery)->delivery_tag, false));
  }
  auto none = connection_->get("q");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
}

TEST_F(AmqpConnection, ConfirmsEveryPublishExactlyOnce) {
  declare("q");
  ASSERT_TRUE(connection_->enable_confirms());
  constexpr std::uint64_t kMessages = 5000;
  for (std::uint64_t i = 1; i <= kMessages; ++i) {
    auto sequence = connection_->publish({"", "q", "body", "m", {}, true});
    ASSERT_TRUE(sequence);
    ASSERT_EQ(*sequence, i);
  }
  EXPECT_TRUE(answers_up_to(*connection_, kMessages).empty());
  auto depth = connection_->queue_depth("q");
  ASSERT_TRUE(depth);
  EXPECT_EQ(*depth, static_cast<std::int64_t>(kMessages));
}

TEST_F(AmqpConnection, ReturnsAnUnroutableMessageBeforeItsConfirm) {
  ASSERT_TRUE(connection_->enable_confirms());
  ASSERT_TRUE(connection_->publish({"", "nowhere", "body", "lost-1", {}, true}));
  auto first = connection_->poll(60000);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_TRUE(first->has_value());
  ASSERT_TRUE(std::holds_alternative<Returned>(**first));
  EXPECT_EQ(std::get<Returned>(**first).message_id, "lost-1");
  EXPECT_EQ(next<Confirmed>(*connection_).sequence, 1u);
}

TEST_F(AmqpConnection, NacksWhatAFullQueueRefuses) {
  ASSERT_TRUE(connection_->declare_queue("q", {.reject_when_full = true, .length_max = 1}));
  ASSERT_TRUE(connection_->enable_confirms());
  // A quorum queue sees its length a little late: the refusals begin somewhere after the first message.
  std::size_t refused = 0;
  for (std::uint64_t published = 1; refused == 0 && published <= 1000; ++published) {
    ASSERT_TRUE(connection_->publish({"", "q", "body", "m", {}, true}));
    refused += next<Confirmed>(*connection_).ack ? 0 : 1;
  }
  EXPECT_GT(refused, 0u);
}

TEST_F(AmqpConnection, ARefusedQuestionLeavesTheConnectionAlone) {
  declare("q");
  ASSERT_TRUE(connection_->enable_confirms());
  ASSERT_TRUE(connection_->publish({"", "q", "body", "m", {}, true}));
  for (int i = 0; i < 3; ++i) {
    auto missing = connection_->queue_state("missing");
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find("NOT_FOUND"), std::string::npos) << missing.error().message;
    auto other = connection_->declare_queue("q", {.ttl_ms = 5});
    ASSERT_FALSE(other);
    EXPECT_NE(other.error().message.find("x-message-ttl"), std::string::npos) << other.error().message;
  }
  EXPECT_TRUE(connection_->open());
  EXPECT_TRUE(answers_up_to(*connection_, 1).empty());
  EXPECT_EQ(connection_->queue_depth("q").value(), 1);
}

TEST_F(AmqpConnection, AChannelClosedByTheBrokerEndsTheConnectionWithItsReason) {
  ASSERT_TRUE(connection_->publish({"no.such.exchange", "key", "body", "m", {}, true}));
  Result<std::optional<Event>> event = std::optional<Event>();
  ASSERT_TRUE(wait_until([&] { return !(event = connection_->poll(100)); }));
  EXPECT_NE(event.error().message.find("no exchange 'no.such.exchange'"), std::string::npos) << event.error().message;
  EXPECT_FALSE(connection_->open());
  EXPECT_FALSE(connection_->publish({"", "q", "body", "m", {}, true}));
  EXPECT_FALSE(connection_->ack(1, false));
  EXPECT_FALSE(connection_->queue_depth("q"));
  EXPECT_FALSE(connection_->flush());
}

TEST_F(AmqpConnection, TellsWhenASubscriptionEndsBecauseItsQueueIsDeleted) {
  declare("q");
  ASSERT_TRUE(connection_->consume("q", "tag-1", 10));
  ASSERT_TRUE(must_open(url_)->delete_queue("q"));
  EXPECT_EQ(next<Cancelled>(*connection_).consumer_tag, "tag-1");
  EXPECT_TRUE(connection_->open());
}

TEST_F(AmqpConnection, DeliversAgainWhatWasNotAcknowledged) {
  declare("q");
  ASSERT_TRUE(connection_->publish({"", "q", "body", "m-1", {}, true}));
  ASSERT_TRUE(connection_->consume("q", "tag-1", 10));
  auto first = next<Delivery>(*connection_);
  EXPECT_FALSE(first.redelivered);
  EXPECT_EQ(first.consumer_tag, "tag-1");
  ASSERT_TRUE(connection_->nack(first.delivery_tag, true));
  auto second = next<Delivery>(*connection_);
  EXPECT_TRUE(second.redelivered);
  ASSERT_TRUE(connection_->cancel("tag-1"));
  connection_.reset();
  auto other = must_open(url_);
  ASSERT_TRUE(other->consume("q", "tag-2", 10));
  auto third = next<Delivery>(*other);
  EXPECT_EQ(third.message_id, "m-1");
  ASSERT_TRUE(other->ack(third.delivery_tag, true));
  ASSERT_TRUE(other->cancel("tag-2"));
  other.reset();
  EXPECT_EQ(must_open(url_)->queue_depth("q").value(), 0);
}

TEST_F(AmqpConnection, ARenewedChannelBeginsAnewAndLosesNothing) {
  declare("q");
  for (const auto* id : {"m-1", "m-2", "m-3"}) ASSERT_TRUE(connection_->publish({"", "q", "body", id, {}, true}));
  ASSERT_TRUE(connection_->consume("q", "tag-1", 10));
  ASSERT_TRUE(connection_->ack(next<Delivery>(*connection_).delivery_tag, true));
  EXPECT_EQ(next<Delivery>(*connection_).message_id, "m-2");  // and m-3 may be at hand: neither is acknowledged
  ASSERT_TRUE(connection_->renew_channel());
  EXPECT_TRUE(connection_->open());
  ASSERT_TRUE(connection_->enable_confirms());
  EXPECT_EQ(connection_->publish({"", "q", "body", "m-4", {}, true}).value(), 1u);
  EXPECT_EQ(next<Confirmed>(*connection_).sequence, 1u);
  ASSERT_TRUE(connection_->consume("q", "tag-2", 10));
  std::set<std::string> again;
  for (std::uint64_t tag = 1; tag <= 3; ++tag) {
    const auto delivery = next<Delivery>(*connection_);
    EXPECT_EQ(delivery.delivery_tag, tag);
    EXPECT_EQ(delivery.consumer_tag, "tag-2");
    again.insert(delivery.message_id);
  }
  EXPECT_EQ(again, (std::set<std::string>{"m-2", "m-3", "m-4"}));
}

TEST_F(AmqpConnection, RefusesAWrongPasswordAndNeverRepeatsIt) {
  auto url = parse_url(url_);
  ASSERT_TRUE(url);
  auto wrong = Connection::open("amqp://guest:s3cret@127.0.0.1:" + std::to_string(url->port) + "/%2F", {});
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("ACCESS_REFUSED"), std::string::npos) << wrong.error().message;
  EXPECT_EQ(wrong.error().message.find("s3cret"), std::string::npos);
}

TEST_F(AmqpConnection, NobodyListeningIsAnErrorWithTheAddress) {
  auto none = Connection::open("amqp://guest:guest@127.0.0.1:1/%2F", {});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("127.0.0.1:1"), std::string::npos) << none.error().message;
  EXPECT_FALSE(Connection::open("amqp://guest:guest@no-such-host.invalid:1/%2F", {}));
  EXPECT_FALSE(Connection::open("http://127.0.0.1:1/", {}));
}

TEST_F(AmqpConnection, APeerThatNeverGreetsIsGivenUp) {
  Gate gate(PrivateRabbit::shared().port());
  gate.set(GateMode::kStall);
  auto none = Connection::open(gate.through(url_), {.deadline_ms = 300});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("in time"), std::string::npos) << none.error().message;
}

// R1 of librabbitmq 0.11: basic.publish waits for ever on a peer that went silent. Ours must come back with an error.
TEST_F(AmqpConnection, PublishToAPeerThatWentSilentReturns) {
  declare("q");
  Gate gate(PrivateRabbit::shared().port());
  auto connection = must_open(gate.through(url_), {.name = "r1", .heartbeat_s = 60, .deadline_ms = 5'000});
  ASSERT_TRUE(connection->enable_confirms());
  std::string body(200000, 'x');
  ASSERT_TRUE(connection->publish({"", "q", body, "m", {}, true}));
  ASSERT_TRUE(wait_until([&] {
    (void)connection->poll(0);
    return gate.forwarded() > 100000;
  }));
  gate.set(GateMode::kStall);
  std::string reason;
  // The socket's buffers and then ours fill up; from there a publish must fail by its deadline.
  for (int i = 0; i < 2000 && reason.empty(); ++i) {
    auto published = connection->publish({"", "q", body, "m", {}, true});
    if (!published) reason = published.error().message;
  }
  EXPECT_FALSE(reason.empty());
  EXPECT_FALSE(connection->open());
}

TEST_F(AmqpConnection, PollingASilentPeerEndsByItsMissingHeartbeats) {
  Gate gate(PrivateRabbit::shared().port());
  auto connection = must_open(gate.through(url_), {.name = "quiet", .heartbeat_s = 1});
  gate.set(GateMode::kStall);
  Result<std::optional<Event>> event = std::optional<Event>();
  ASSERT_TRUE(wait_until([&] { return !(event = connection->poll(100)); }));
  EXPECT_NE(event.error().message.find("silent"), std::string::npos) << event.error().message;
  auto depth = connection->queue_depth("q");
  EXPECT_FALSE(depth);
}

TEST_F(AmqpConnection, AQuestionToASilentPeerEndsUnknown) {
  Gate gate(PrivateRabbit::shared().port());
  auto connection = must_open(gate.through(url_), {.name = "ask", .deadline_ms = 3'000});
  gate.set(GateMode::kStall);
  auto depth = connection->queue_depth("q");
  ASSERT_FALSE(depth);
  EXPECT_TRUE(depth.error().unknown());
}

TEST_F(AmqpConnection, HeartbeatsKeepAnIdleConnectionAlive) {
  auto connection = must_open(url_, {.name = "idle", .heartbeat_s = 2});
  // Three times the silence that either side accepts; time is spent here, none is asserted.
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(12);
  while (std::chrono::steady_clock::now() < end) {
    auto event = connection->poll(200);
    ASSERT_TRUE(event) << event.error().message;
  }
  EXPECT_FALSE(connection->queue_depth("missing"));
  EXPECT_TRUE(connection->open());
}

TEST_F(AmqpConnection, AcknowledgementsReachTheBrokerWhenTheConnectionEnds) {
  declare("q");
  constexpr int kMessages = 200;
  for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(connection_->publish({"", "q", "body", "m", {}, true}));
  ASSERT_TRUE(connection_->consume("q", "tag-1", kMessages));
  std::uint64_t last = 0;
  for (int i = 0; i < kMessages; ++i) last = next<Delivery>(*connection_).delivery_tag;
  ASSERT_TRUE(connection_->ack(last, true));
  connection_.reset();
  EXPECT_EQ(must_open(url_)->queue_depth("q").value(), 0);
}

// A broker that stops as a process (SIGSTOP): connected, the kernel still takes bytes, nothing ever answers.
TEST(AmqpBroker, StoppedAsAProcessIsNoticedAndHealsAfterwards) {
  PrivateRabbit rabbit;
  auto connection = must_open(rabbit.url(), {.name = "stopped", .heartbeat_s = 1, .deadline_ms = 5'000});
  ASSERT_TRUE(connection->declare_queue("q", {}));
  ASSERT_TRUE(connection->enable_confirms());
  rabbit.pause();
  std::string reason;
  std::string body(1000, 'x');
  ASSERT_TRUE(wait_until([&] {
    auto published = connection->publish({"", "q", body, "m", {}, true});
    auto event = connection->poll(5);
    if (!published) reason = published.error().message;
    if (!event) reason = event.error().message;
    return !reason.empty();
  }));
  EXPECT_FALSE(Connection::open(rabbit.url(), {.deadline_ms = 300}));
  rabbit.resume();
  ASSERT_TRUE(wait_until([&] { return Connection::open(rabbit.url(), {.name = "again"}).has_value(); }));
}

}  // namespace
}  // namespace flashclaim::amqp
