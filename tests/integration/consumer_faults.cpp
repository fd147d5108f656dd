// The consumer when a service is away, silent or empty, and when a message is itself at fault.
#include <csignal>

#include "engine/amqp/topology.h"
#include "engine/base/assets.h"
#include "engine/mirror/message.h"
#include "engine/postgres/settle.h"
#include "engine/redis/keys.h"
#include "engine/redis/library.h"
#include "tests/harness/gate.h"
#include "tests/harness/raw_amqp.h"
#include "tests/harness/witness.h"
#include "tests/integration/consumer_world.h"

namespace flashclaim::consumer {
namespace {

using harness::Gate;
using harness::GateMode;
using harness::wait_until;

class ConsumerFaults : public ConsumerTest {
 protected:
  bool holds_for(const std::string& service) {
    return wait_until([&] {
      return metric("flashclaim_consumer_holds_total{service=\"" + service + "\"}") > 0 &&
             metric("flashclaim_consumer_held_batches") > 0;
    });
  }
  /// The smallest batches: a fault comes in the middle of the work.
  Options one_by_one() const {
    Options wanted = options();
    wanted.claims_max = 1;
    return wanted;
  }
  /// Everything settled, nothing dead, the books agree.
  void expect_settled(std::int64_t id, std::int64_t claims) {
    ASSERT_TRUE(settles(id, claims)) << rows(id) << " of " << claims;
    ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_held_batches") == 0; }));
    ASSERT_TRUE(drains());
    EXPECT_EQ(rows(id), claims);
    EXPECT_TRUE(take_dead_letters().empty());
    expect_books_agree();
  }
};

// --- a service is away: held, never blamed on the message

TEST_F(ConsumerFaults, HoldsTheBatchWhileTheDatabaseRefusesConnections) {
  const auto id = coupon(100);
  Gate gate(harness::PrivatePostgres::shared().port());
  Options through = options();
  through.pg_url = gate.through(pg_url_);
  gate.set(GateMode::kRefuse);
  deliver(accept_many(id, 5, 4));
  start(through);
  ASSERT_TRUE(holds_for("postgres"));
  EXPECT_EQ(rows(id), 0);
  EXPECT_EQ(in_stream(id), 5);
  gate.pass();
  expect_settled(id, 20);
}

TEST_F(ConsumerFaults, AsksAgainWhenTheAnswerOfTheDatabaseIsLost) {
  const auto id = coupon(100'000);
  Gate gate(harness::PrivatePostgres::shared().port());
  Options through = options();
  through.pg_url = gate.through(pg_url_);
  through.claims_max = 50;
  start(through);
  const auto messages = accept_many(id, 200, 5);
  deliver(messages);
  // Each cut lets some statements through whole and breaks one at an arbitrary byte, of the question or of the answer.
  for (int cut = 1; cut <= 6; ++cut) {
    const auto before = rows(id);
    gate.set(GateMode::kCut, 9'000 + 1'111 * cut);
    ASSERT_TRUE(wait_until([&] { return rows(id) > before || in_stream(id) == 0; }));
  }
  gate.pass();
  expect_settled(id, 1000);
}

TEST_F(ConsumerFaults, SurvivesAKillOfTheDatabase) {
  harness::PrivatePostgres postgres;
  use(harness::PrivateRedis::shared(), harness::PrivateRabbit::shared(), postgres);
  const auto id = coupon(100'000);
  const auto messages = accept_many(id, 1000, 1);
  const auto later = accept_many(id, 10, 1);
  start(one_by_one());
  deliver(messages);
  ASSERT_TRUE(wait_until([&] { return rows(id) > 0; }));
  postgres.kill();
  deliver(later);
  ASSERT_TRUE(holds_for("postgres"));
  postgres.start();
  connect_postgres();
  expect_settled(id, 1010);
}

TEST_F(ConsumerFaults, HoldsTheBatchWhileRedisRefusesConnections) {
  const auto id = coupon(100);
  Gate gate(harness::PrivateRedis::shared().port());
  Options through = options();
  through.redis_url = gate.through(redis_url_);
  gate.set(GateMode::kRefuse);
  deliver(accept_many(id, 5, 4));
  start(through);
  ASSERT_TRUE(holds_for("redis"));
  // As many as the held batch had gathered: what came later waits behind it.
  ASSERT_TRUE(wait_until([&] { return rows(id) > 0; })) << "the database is not kept waiting";
  EXPECT_EQ(in_stream(id), 5);
  gate.pass();
  expect_settled(id, 20);
}

TEST_F(ConsumerFaults, FinishesAgainWhenTheAnswerOfRedisIsLost) {
  const auto id = coupon(100'000);
  Gate gate(harness::PrivateRedis::shared().port());
  Options through = options();
  through.redis_url = gate.through(redis_url_);
  through.claims_max = 50;
  start(through);
  deliver(accept_many(id, 200, 5));
  for (int cut = 1; cut <= 6; ++cut) {
    const auto before = in_stream(id);
    gate.set(GateMode::kCut, 3'000 + 777 * cut);
    ASSERT_TRUE(wait_until([&] { return in_stream(id) < before || before == 0; }));
  }
  gate.pass();
  expect_settled(id, 1000);
}

TEST_F(ConsumerFaults, SurvivesAKillOfRedis) {
  harness::PrivateRedis redis;
  use(redis, harness::PrivateRabbit::shared());
  const auto id = coupon(100'000);
  const auto messages = accept_many(id, 1000, 1);
  const auto later = accept_many(id, 10, 1);
  start(one_by_one());
  deliver(messages);
  ASSERT_TRUE(wait_until([&] { return in_stream(id) < 1010; }));
  redis.kill();
  deliver(later);
  ASSERT_TRUE(holds_for("redis"));
  redis.start();
  connect_redis();
  expect_settled(id, 1010);
}

TEST_F(ConsumerFaults, WaitsForALibraryThatIsNotLoaded) {
  const auto id = coupon(100);
  deliver(accept_many(id, 5, 4));
  command({"FUNCTION", "FLUSH"});
  start();
  ASSERT_TRUE(holds_for("redis"));
  ASSERT_TRUE(redis::load_library(redis(), kLuaLibrary));
  expect_settled(id, 20);
}

TEST_F(ConsumerFaults, SurvivesAKillOfTheBroker) {
  harness::PrivateRabbit rabbit;
  use(harness::PrivateRedis::shared(), rabbit);
  harness::PrivateRabbit::let_new_queues_reach_the_disk();
  const auto id = coupon(100'000);
  deliver(accept_many(id, 1000, 1));
  start(one_by_one());
  ASSERT_TRUE(wait_until([&] { return rows(id) > 0; }));
  rabbit.kill();
  ASSERT_TRUE(wait_until([&] { return !broker().poll(50); }));
  rabbit.start();
  connect_broker();
  expect_settled(id, 1000);
}

TEST_F(ConsumerFaults, DropsABatchWhoseConnectionIsGoneAndSettlesItAgain) {
  const auto id = coupon(100);
  Gate broker_gate(harness::PrivateRabbit::shared().port());
  Gate redis_gate(harness::PrivateRedis::shared().port());
  Options through = options();
  through.amqp_url = broker_gate.through(amqp_url_);
  through.redis_url = redis_gate.through(redis_url_);
  redis_gate.set(GateMode::kRefuse);
  deliver(accept_many(id, 5, 4));
  start(through);
  ASSERT_TRUE(holds_for("redis"));
  broker_gate.set(GateMode::kClose);
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_dropped_deliveries_total") > 0; }));
  broker_gate.pass();
  redis_gate.pass();
  expect_settled(id, 20);
}

TEST_F(ConsumerFaults, LeavesAHeldBatchToTheNextConsumerWhenItIsStopped) {
  const auto id = coupon(100);
  deliver(accept_many(id, 5, 4));
  command({"FUNCTION", "FLUSH"});
  const auto process = start_process();
  ASSERT_TRUE(wait_until([&] { return process->output().find("batch_held") != std::string::npos; }));
  EXPECT_EQ(process->stop(), 0) << process->output();
  ASSERT_TRUE(redis::load_library(redis(), kLuaLibrary));
  start();
  expect_settled(id, 20);
}

TEST_F(ConsumerFaults, EndsAtOnceOnASecondSignal) {
  const auto id = coupon(100);
  deliver(accept_many(id, 5, 4));
  command({"FUNCTION", "FLUSH"});
  const auto process = start_process();
  ASSERT_TRUE(wait_until([&] { return process->output().find("batch_held") != std::string::npos; }));
  // Both signals wait for it when it goes on: the second finds it still stopping.
  for (const int number : {SIGSTOP, SIGTERM, SIGINT, SIGCONT}) process->signal(number);
  EXPECT_EQ(process->wait(), 1) << process->output();
  EXPECT_NE(process->output().find("ended_at_once"), std::string::npos);
  ASSERT_TRUE(redis::load_library(redis(), kLuaLibrary));
  start();
  expect_settled(id, 20);
}

// --- the message is at fault

TEST_F(ConsumerFaults, GivesAPoisonMessageThreeRetriesThenTheDeadLetterQueue) {
  harness::announce_error("dead_lettered");
  const auto id = coupon(100);
  const auto poisoned = accept(id, {7, 8});
  const auto neighbours = accept_many(id, 5, 4);
  deliver(neighbours[0]);
  deliver_body("not what we write", poisoned.message_id());
  deliver({neighbours[1], neighbours[2], neighbours[3], neighbours[4]});
  start();
  ASSERT_TRUE(wait_until([&] { return rows(id) == 20 && in_stream(id) == 1; }));
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_dead_letters_total{fault=\"undecodable\"}") == 1; }));
  EXPECT_EQ(metric("flashclaim_consumer_retries_total{fault=\"undecodable\"}"), 3);
  EXPECT_TRUE(dead(poisoned));
  stop();
  EXPECT_TRUE(queue_empty());
  expect_books_agree();
  const auto letters = take_dead_letters();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].body, "not what we write");
  EXPECT_EQ(letters[0].message_id, poisoned.message_id());
  EXPECT_EQ(letters[0].header(amqp::kAttemptsHeader), "3");
}

TEST_F(ConsumerFaults, BlamesOnlyTheMessageWhoseValuesTheDatabaseCannotTake) {
  harness::announce_error("dead_lettered");
  const auto id = coupon(100);
  const auto good = accept_many(id, 6, 3);
  auto guilty = good[0];
  guilty.entry = {mirror::kEntryMsMax, 0};  // our message in every respect, and the decoder has nothing against it
  const auto refusing =
      harness::run_program("/usr/bin/env", {"psql", pg_url_, "-qc",
                                            "ALTER TABLE user_coupon ADD CONSTRAINT none_of_these CHECK (entry_ms <> " +
                                                std::to_string(mirror::kEntryMsMax) + ")"});
  ASSERT_EQ(refusing.exit_code, 0) << refusing.err;
  deliver({good[0], good[1], good[2]});
  deliver_body(mirror::encode(guilty), guilty.message_id(), "3");
  deliver({good[3], good[4], good[5]});
  start();
  ASSERT_TRUE(settles(id, 18));
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_dead_letters_total{fault=\"sql_data\"}") == 1; }));
  EXPECT_EQ(metric("flashclaim_consumer_retries_total{fault=\"sql_data\"}"), 0);
  stop();
  EXPECT_TRUE(queue_empty());
  EXPECT_EQ(take_dead_letters().size(), 1U);
  expect_books_agree();
}

// Whoever may publish chooses the body's size, the properties, the letters of their kinds. The connection outlives all
// of it.
TEST_F(ConsumerFaults, NoMessageOfWhateverFormStopsTheQueue) {
  harness::announce_error("dead_lettered");
  using harness::amqp_field;
  using harness::amqp_long;
  const auto id = coupon(100);
  const std::string deep = harness::amqp_nested('A', 20'000);
  const std::string eight(8, 'x');
  std::string every_kind;
  for (const auto& [kind, value] : std::vector<std::pair<char, std::string>>{{'t', "x"},
                                                                             {'b', "x"},
                                                                             {'B', "x"},
                                                                             {'s', "xx"},
                                                                             {'u', "xx"},
                                                                             {'I', "xxxx"},
                                                                             {'i', "xxxx"},
                                                                             {'l', eight},
                                                                             {'f', "xxxx"},
                                                                             {'d', eight},
                                                                             {'D', "xxxxx"},
                                                                             {'T', eight},
                                                                             {'S', amqp_long("x")},
                                                                             {'x', amqp_long("x")},
                                                                             {'V', ""},
                                                                             {'F', amqp_long("")},
                                                                             {'A', amqp_long("")}})
    every_kind += amqp_field(std::string(1, kind), kind, value);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += amqp_field("h" + std::to_string(i), 'S', amqp_long("x"));
  const std::vector<std::string> headers = {
      every_kind,
      many,
      amqp_field("deep", 'A', deep),
      amqp_field("deep", 'F', harness::amqp_nested('F', 15'000)),
      amqp_field(amqp::kChecksumHeader, 'S', amqp_long(std::string(130'000, 'c'))),
      amqp_field(amqp::kAttemptsHeader, 'l', std::string(8, '\xff')),
      amqp_field("", 'S', amqp_long("\xff\xfe\r\n"))};
  for (const auto& fields : headers)
    harness::publish_raw(amqp_url_, amqp::kExchange, amqp::kRoutingKey, fields, "not ours");
  for (const std::size_t size : {std::size_t{0}, mirror::kBodyMax, mirror::kBodyMax + 1, std::size_t{17} << 20})
    harness::publish_raw(amqp_url_, amqp::kExchange, amqp::kRoutingKey, "", std::string(size, 'x'));
  deliver(accept_many(id, 3, 3));
  start();
  ASSERT_TRUE(settles(id, 9));
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_dead_letters_total{fault=\"too_large\"}") == 2; }));
  const auto all = static_cast<double>(headers.size()) + 2;
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_retries_total{fault=\"undecodable\"}") >= all; }));
  EXPECT_EQ(metric("flashclaim_consumer_dropped_deliveries_total"), 0);
  stop();
  const auto letters = take_dead_letters();
  ASSERT_GE(letters.size(), 2U);
  EXPECT_EQ(letters[0].header(amqp::kFaultHeader), "too_large");
  EXPECT_NE(letters[0].header(amqp::kFaultDetailHeader).find("65537"), std::string::npos);
  EXPECT_NE(letters[1].header(amqp::kFaultDetailHeader).find("17825792"), std::string::npos);
}

// A quorum queue adds a header to what it delivers again: the frame is then larger than the agreed limit.
TEST_F(ConsumerFaults, AMessageWithTheLargestHeadersIsDeliveredAgainToo) {
  const auto id = coupon(100);
  harness::publish_raw(amqp_url_, amqp::kExchange, amqp::kRoutingKey,
                       harness::amqp_field("h", 'S', harness::amqp_long(std::string(131'072 - 8 - 25, 'x'))),
                       "not ours");
  {
    auto taken = broker().get(amqp::kQueue);
    ASSERT_TRUE(taken && taken->has_value()) << (taken ? "nothing there" : taken.error().message);
    ASSERT_TRUE(broker().nack((*taken)->delivery_tag, true));
  }
  deliver(accept(id, {7}));
  start();
  ASSERT_TRUE(settles(id, 1));
  EXPECT_TRUE(wait_until([&] { return metric("flashclaim_consumer_retries_total{fault=\"undecodable\"}") >= 1; }));
  EXPECT_EQ(metric("flashclaim_consumer_dropped_deliveries_total"), 0);
}

TEST_F(ConsumerFaults, DeadLettersAClaimIdThatAnotherUserHas) {
  harness::announce_error("dead_lettered");
  const auto id = coupon(100);
  const auto first = accept(id, {7, 8});
  const auto neighbour = accept(id, {9});
  const postgres::SettleClaim theft{id, first.epoch, first.entry, 0, 70};
  ASSERT_TRUE(postgres::settle_claims(pg(), {&theft, 1}));
  deliver({first, neighbour});
  start();
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_dead_letters_total{fault=\"id_conflict\"}") == 1; }));
  ASSERT_TRUE(wait_until([&] { return in_stream(id) == 1; }));
  EXPECT_TRUE(dead(first));
  EXPECT_EQ(rows(id), 3) << "the thief's, the conflict's neighbour in its entry, and the other entry's";
  stop();
  EXPECT_TRUE(queue_empty());
  const auto letters = take_dead_letters();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].message_id, first.message_id());
}

TEST_F(ConsumerFaults, DeadLettersAMessageThatIsNotItsEntry) {
  harness::announce_error("dead_lettered");
  const auto id = coupon(100);
  const auto entry = accept(id, {7, 8});
  auto shorter = entry;
  shorter.users = {7};
  deliver(shorter);
  start();
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_dead_letters_total{fault=\"mismatch\"}") == 1; }));
  EXPECT_FALSE(dead(entry)) << "it is not this entry's message";
  EXPECT_EQ(rows(id), 0);
  EXPECT_EQ(in_stream(id), 1);
  stop();
  EXPECT_TRUE(queue_empty());
}

TEST_F(ConsumerFaults, ADamagedKeyOfOneCouponKeepsNoOtherWaiting) {
  harness::announce_error("dead_lettered");
  harness::announce_error("coupon_passed_by");
  const auto damaged = coupon(100);
  const auto sound = coupon(100);
  const auto stuck = accept(damaged, {7});
  const auto well = accept(sound, {8});
  command({"HSET", redis::CouponKeys(damaged).coupon, "inflight", "many"});
  deliver_body(mirror::encode(stuck), stuck.message_id(), "3");
  deliver(well);
  start();
  ASSERT_TRUE(settles(sound, 1));
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_dead_letters_total{fault=\"damaged_key\"}") == 1; }));
  EXPECT_EQ(in_stream(damaged), 1);
  stop();
  EXPECT_TRUE(queue_empty());
}

// RabbitMQ 3.10 renews the subscription by itself when the queue is declared again before it looks, and then forgets
// it.
TEST_F(ConsumerFaults, HearsAgainWhenTheQueueIsDeletedAndDeclaredAtOnce) {
  constexpr int kTimes = 3;
  const auto id = coupon(100);
  Options alone = options();
  alone.workers = 1;
  alone.quiet_ms = 1'000;
  start(alone);
  for (int claims = 1; claims <= kTimes; ++claims) {
    ASSERT_TRUE(wait_until([&] { return broker().queue_state(amqp::kQueue).value().consumers > 0; }));
    ASSERT_TRUE(broker().delete_queue(amqp::kQueue));
    connect_broker();
    deliver(accept_many(id, 1, 1));
    ASSERT_TRUE(settles(id, claims)) << "deaf after " << claims;
  }
  expect_settled(id, kTimes);
}

}  // namespace
}  // namespace flashclaim::consumer
