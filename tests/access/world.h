// One of each service, and what the tests of their users ask as each of them.
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

/// One of each, for this test process; started at first use.
struct World {
  static World& get();

  [[nodiscard]] std::string redis_url(const std::string& role) const;
  [[nodiscard]] std::string amqp_url(const std::string& role) const;
  [[nodiscard]] std::string pg_url(const std::string& role) const;
  /// Where the services are; each program that gets it logs in as itself.
  [[nodiscard]] harness::Environment environment() const;
  [[nodiscard]] redis::Client redis(const std::string& role) const;
  [[nodiscard]] std::unique_ptr<amqp::Connection> amqp(const std::string& role) const;
  [[nodiscard]] std::unique_ptr<postgres::Session> pg(const std::string& role) const;
  /// As the tester, who may do everything and is no user of the product.
  [[nodiscard]] redis::Client redis_superuser() const { return redis(""); }
  /// `flashctl` words as the admin; throws when it fails. Returns its stdout.
  std::string flashctl(const std::vector<std::string>& words) const;

  std::unique_ptr<harness::PrivateRedis> redis_server;
  std::unique_ptr<harness::PrivateRabbit> rabbit_server;
  std::string superuser_pg_url;

 private:
  World();
};

/// Each statement in a transaction of its own, which is rolled back, as `role` ("": the superuser): "" for those that
/// were carried out, else the SQLSTATE and the message.
std::vector<std::string> run_sql(const std::string& role, const std::vector<std::string>& statements);

/// What `user` may write to in that vhost, and by which routing keys to our exchange, as regular expressions; it reads
/// what is ours.
void allow_to_publish(const std::string& vhost, const std::string& user, const std::string& write,
                      const std::string& topics);
/// One statement as the superuser, which stays; "" or what was said.
std::string run_sql_for_good(const std::string& statement);

}  // namespace flashclaim::access
