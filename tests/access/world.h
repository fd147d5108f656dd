// The three services with the users of `flashctl access`, and what the tests of it ask as each of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/amqp/connection.h"
#include "engine/postgres/session.h"
#include "engine/redis/client.h"
#include "tests/harness/process.h"
#include "tests/harness/services.h"

namespace flashclaim::access {

/// One of each, for this test process; started at first use with the texts that `flashctl access` prints.
struct World {
  static World& get();

  [[nodiscard]] std::string key(const std::string& file) const;  ///< a password
  [[nodiscard]] std::string redis_url(const std::string& role) const;
  [[nodiscard]] std::string amqp_url(const std::string& role) const;
  [[nodiscard]] std::string pg_url(const std::string& role) const;
  /// What tests/stack gives the program of that name: engine, consumer; or a person: admin.
  [[nodiscard]] harness::Environment environment(const std::string& program) const;
  [[nodiscard]] redis::Client redis(const std::string& role) const;
  [[nodiscard]] std::unique_ptr<amqp::Connection> amqp(const std::string& role) const;
  [[nodiscard]] std::unique_ptr<postgres::Session> pg(const std::string& role) const;
  /// As the user `tester` of Redis, who may do everything and is no user of the product.
  [[nodiscard]] redis::Client redis_superuser() const { return redis("tester"); }
  /// `flashctl` words as the admin; throws when it fails. Returns its stdout.
  std::string flashctl(const std::vector<std::string>& words) const;

  std::string folder;  ///< of the keys
  std::unique_ptr<harness::PrivateRedis> redis_server;
  std::unique_ptr<harness::PrivateRabbit> rabbit_server;
  std::string superuser_pg_url;

 private:
  World();
};

/// Each statement in a transaction of its own, which is rolled back, as `role` ("": the superuser): "" for those that
/// were carried out, else the SQLSTATE and the message.
std::vector<std::string> run_sql(const std::string& role, const std::vector<std::string>& statements);

}  // namespace flashclaim::access
