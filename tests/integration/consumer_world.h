// What every test of the consumer needs: its services, coupons with accepted claims, a mirror by hand, and the books.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "consumer/service.h"
#include "engine/amqp/connection.h"
#include "engine/mirror/message.h"
#include "engine/operations/checker.h"
#include "engine/postgres/ledger.h"
#include "engine/postgres/session.h"
#include "engine/redis/client.h"
#include "engine/redis/functions.h"
#include "tests/harness/process.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim::consumer {

/// An empty Redis with the library, a migrated database and an empty vhost with the queues: by default those of the
/// process, so that a test which breaks one asks for servers of its own.
class ConsumerTest : public ::testing::Test {
 protected:
  void SetUp() override { use(harness::PrivateRedis::shared(), harness::PrivateRabbit::shared()); }
  void TearDown() override { service_.reset(); }
  void use(harness::PrivateRedis& redis, harness::PrivateRabbit& rabbit,
           harness::PrivatePostgres& postgres = harness::PrivatePostgres::shared());

  // --- coupons and claims
  /// Published; ids rise from 1.
  std::int64_t coupon(std::int64_t total, std::int64_t user_limit = 1);
  /// One entry: every user claims once and is accepted.
  mirror::EntryMessage accept(std::int64_t coupon_id, const std::vector<std::int64_t>& users);
  /// `entries` of `claims` each, of users that nobody else is.
  std::vector<mirror::EntryMessage> accept_many(std::int64_t coupon_id, int entries, int claims);

  // --- the mirror, by hand
  void deliver(const mirror::EntryMessage& message, int copies = 1);
  void deliver(const std::vector<mirror::EntryMessage>& messages);
  /// A message with a right checksum around any body.
  void deliver_body(const std::string& body, const std::string& message_id, const std::string& attempts = "");

  // --- the consumer
  Options options() const;  ///< against this test's services, with short waits
  void start() { start(options()); }
  void start(const Options& options);  ///< as its own users
  void stop() { service_.reset(); }
  std::unique_ptr<harness::Process> start_process(const std::vector<std::string>& arguments = {});
  /// The value of a line of /metrics, 0 when it is not there.
  double metric(const std::string& name_and_labels) const;
  bool settles(std::int64_t coupon_id, std::int64_t rows);
  /// No message is ready or unacknowledged in the main queue. Precondition: no consumer is running.
  bool queue_empty();
  /// Consumers come until the main queue has nothing more to give: what one had fetched and not acknowledged goes back.
  bool drains();

  // --- the books
  std::int64_t rows(std::int64_t coupon_id);
  std::int64_t stock(std::int64_t coupon_id);
  std::string field(std::int64_t coupon_id, const std::string& name);
  std::int64_t in_stream(std::int64_t coupon_id);
  bool dead(const mirror::EntryMessage& message);
  std::string command(const std::vector<std::string>& argv);
  /// Every invariant at rest over all coupons of the test, and over every claim that accept() got.
  void expect_books_agree();
  std::vector<amqp::Delivery> take_dead_letters();

  redis::Client& redis() { return *redis_; }
  postgres::Session& pg() { return *pg_; }
  amqp::Connection& broker() { return *broker_; }
  void connect_redis();
  void connect_postgres();
  void connect_broker();
  Service& service() { return *service_; }

  std::string redis_url_;
  std::string amqp_url_;
  std::string pg_url_;
  std::vector<std::int64_t> coupons_;

 private:
  bool nothing_to_get();
  std::optional<redis::Client> redis_;
  std::unique_ptr<postgres::Session> pg_;
  std::unique_ptr<amqp::Connection> broker_;
  std::unique_ptr<Service> service_;
  std::vector<operations::Acknowledged> acknowledged_;
  std::int64_t next_user_ = 1'000'000;
};

}  // namespace flashclaim::consumer
