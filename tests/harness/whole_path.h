// The whole path for tests: private services, the real engine and consumer processes, and the checker at the end.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/claim_run.h"
#include "engine/amqp/connection.h"
#include "engine/operations/checker.h"
#include "engine/operations/operations.h"
#include "engine/postgres/coupons.h"
#include "engine/postgres/ledger.h"
#include "engine/postgres/session.h"
#include "engine/redis/client.h"
#include "engine/redis/keys.h"
#include "tests/harness/process.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim {

using harness::wait_until;

/// The value of `"name":"…"` or `"name":123` in a flat JSON object; "" when it is not there.
std::string json_field(const std::string& json, const std::string& name);

/// What a test of the whole path starts from: an empty, loaded Redis; a vhost with the queues; a migrated database. The
/// servers are shared by the tests of the process; one that a test broke is started again after it.
class WholePath : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// Another server than the shared one for this test, before its programs start: REDIS_URL, AMQP_URL or PG_URL.
  void use(const std::string& variable, const std::string& url);

  // The programs; a test starts those that it needs, and may start more than one.
  std::unique_ptr<harness::Process> engine(const std::vector<std::string>& flags = {});
  /// On the ports of the engine that was started last.
  std::unique_ptr<harness::Process> engine_again(const std::vector<std::string>& flags = {});
  std::unique_ptr<harness::Process> consumer(const std::vector<std::string>& flags = {});
  /// One of each, until the end of the test.
  void start_programs();

  struct Terms {
    std::int64_t begins_in_ms = -60'000;  // both from now
    std::int64_t ends_in_ms = 3'600'000;
    std::string name = "a coupon for tests";
  };
  // A published coupon, open for an hour or as its terms say, with an id that no other coupon of this database has.
  std::int64_t open_coupon(std::int64_t total, std::int64_t user_limit, const Terms& terms);
  std::int64_t open_coupon(std::int64_t total, std::int64_t user_limit) { return open_coupon(total, user_limit, {}); }

  // As a client sees it.
  harness::RawAnswer claim(std::int64_t coupon, std::int64_t user, const std::string& key = "") const;
  [[nodiscard]] harness::RawAnswer get(const std::string& path) const;
  /// True when the claim was accepted; it is remembered in told_ then.
  bool accepted(const harness::RawAnswer& answer, std::int64_t user);
  /// One claim of each of the users first..last, all of which must be accepted; remembered in told_.
  void accept(std::int64_t coupon, std::int64_t first, std::int64_t last);
  /// As fast as it goes; each refusal that passes by itself is tried again.
  bench::ClaimRunReport fire(const std::vector<bench::ClaimOrder>& orders, int connections = 64) const;

  /// Waits until every stream is empty but for dead entries, and the main and the retry queues are empty.
  void await_rest();
  /// Whether they are, each at the moment when it is asked.
  bool rests();
  /// Every invariant at rest, with what clients were told.
  operations::CheckReport expect_invariants(operations::CheckOptions options = {});
  operations::CheckReport expect_invariants(const bench::ClaimRunReport& run);

  // The connections are made again after a fault. These are the tester's (logins.h): to look at anything, and to break
  // it.
  redis::Client& redis();
  postgres::Session& pg();
  amqp::Connection& amqp();
  // And these are the admin's, as flashctl has them: to operate.
  redis::Client& admin_redis();
  postgres::Session& admin_pg();
  amqp::Connection& admin_amqp();
  std::string redis_text(std::initializer_list<std::string_view> command);
  std::int64_t redis_number(std::initializer_list<std::string_view> command);
  postgres::CouponCounts counts(std::int64_t coupon);

  static harness::PrivateRedis& redis_server() { return harness::PrivateRedis::shared(); }
  static harness::PrivateRabbit& rabbit_server() { return harness::PrivateRabbit::shared(); }
  static harness::PrivatePostgres& postgres_server() { return harness::PrivatePostgres::shared(); }

  harness::Environment environment_;            ///< where the services are; each program logs in as itself
  std::string programs_;                        ///< where they lie, with a slash at the end; empty: the build's bin
  int http_port_ = 0;                           ///< of the engine started last
  int admin_port_ = 0;                          ///< its second listener
  int consumer_admin_port_ = 0;                 ///< of the consumer started last
  std::unique_ptr<harness::Process> engine_;    ///< start_programs
  std::unique_ptr<harness::Process> consumer_;  ///< start_programs
  std::vector<std::int64_t> coupons_;
  operations::CheckOptions told_;  ///< what clients were told, for expect_invariants(told_)

 private:
  std::unique_ptr<harness::Process> start(const std::string& program, std::vector<std::string> flags, int admin_port);

  /// Who asks the stores.
  struct Asker {
    std::unique_ptr<redis::Client> redis;
    std::unique_ptr<postgres::Session> pg;
    std::unique_ptr<amqp::Connection> amqp;
  };
  /// `role` "": the tester.
  redis::Client& redis_of(Asker& asker, const std::string& role);
  postgres::Session& pg_of(Asker& asker, const std::string& role);
  amqp::Connection& amqp_of(Asker& asker, const std::string& role);

  Asker tester_;
  Asker admin_;
};

/// The same claim list in every run: `requests` claims over `users` users, in an order that mixes the users.
std::vector<bench::ClaimOrder> mixed_orders(std::int64_t coupon, int requests, int users);

}  // namespace flashclaim
