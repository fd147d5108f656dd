// What tests of the admin room need: the three stores, coupons of their own, claims, and a settler in place of mirror
// and consumer.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/amqp/connection.h"
#include "engine/operations/checker.h"
#include "engine/operations/operations.h"
#include "engine/operations/rebuild.h"
#include "engine/operations/reconcile.h"
#include "engine/postgres/coupons.h"
#include "engine/postgres/session.h"
#include "engine/redis/client.h"
#include "engine/redis/functions.h"
#include "tests/harness/process.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim::operations {

/// Redis is emptied before each test and holds the library and the marker; database and vhost are new for each test.
class Stores : public ::testing::Test {
 protected:
  void SetUp() override;

  // The admin's, as flashctl has them.
  redis::Client& redis() { return *redis_; }
  redis::Client& claimer() { return *claimer_; }  ///< the engine's
  redis::Client& tester() { return *tester_; }    ///< harness/logins.h
  postgres::Session& pg() { return *pg_; }
  amqp::Connection& amqp();
  [[nodiscard]] const std::string& pg_url() const { return pg_url_; }
  const std::string& amqp_url();
  static std::string redis_url() { return harness::PrivateRedis::shared().url(); }

  static std::unique_ptr<redis::Client> new_redis();
  std::unique_ptr<postgres::Session> new_pg() const;

  /// Created and published, open for an hour; ids from 1 in each test.
  std::int64_t issue(std::int64_t total, std::int64_t user_limit = 1);

  /// One call of the Lua function claim; the ids of those accepted, with their users.
  std::vector<Acknowledged> claim(std::int64_t coupon_id, const std::vector<std::int64_t>& users);
  /// Settles what is in the stream until it is empty (dead entries stay).
  void settle(std::int64_t coupon_id);

  /// Raw access as the tester (harness/logins.h), for injecting what must not happen.
  void redis_raw(std::initializer_list<std::string_view> command);
  std::string sql(const std::string& statement) const;

  CheckReport judge(std::int64_t coupon_id, const CheckOptions& options = {});
  /// At rest, every invariant; prints the violations otherwise.
  void expect_sound(std::int64_t coupon_id);
  std::int64_t stock(std::int64_t coupon_id);

 private:
  std::unique_ptr<redis::Client> redis_;
  std::unique_ptr<redis::Client> claimer_;
  std::unique_ptr<redis::Client> tester_;
  std::unique_ptr<postgres::Session> pg_;
  std::unique_ptr<amqp::Connection> amqp_;
  std::string pg_url_;
  std::string amqp_url_;
  std::int64_t last_id_ = 0;
};

/// Settles up to 200 entries of the coupon as the consumer does (one statement, then finish); how many entries.
std::size_t settle_some(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);

/// A sale under way: threads with connections of their own that claim as random users and settle, until stopped or
/// destroyed.
class Sale {
 public:
  /// The claims come from the engine's user, the settlements from the consumer's.
  Sale(std::string redis_url, std::string pg_url, std::int64_t coupon_id, std::int64_t users);
  ~Sale();
  Sale(const Sale&) = delete;
  Sale& operator=(const Sale&) = delete;

  /// Ends the claims, lets the settler finish, joins. Idempotent.
  void stop();
  [[nodiscard]] std::int64_t accepted() const { return accepted_; }
  /// After stop(): everything that was acknowledged.
  [[nodiscard]] const std::vector<Acknowledged>& acknowledged() const { return acknowledged_; }
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  void claim(const std::string& redis_url, std::int64_t coupon_id, std::int64_t users);
  void settle(const std::string& redis_url, const std::string& pg_url, std::int64_t coupon_id);

  std::atomic<bool> claiming_{true};
  std::atomic<bool> settling_{true};
  std::atomic<std::int64_t> accepted_{0};
  std::atomic<std::int64_t> settled_{0};
  std::vector<Acknowledged> acknowledged_;
  std::string trouble_;  ///< of either thread; read after stop()
  std::thread claimer_;
  std::thread settler_;
};

}  // namespace flashclaim::operations
