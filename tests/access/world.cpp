// See world.h.
#include "tests/access/world.h"

#include <fstream>
#include <stdexcept>

#include "engine/admin/access.h"
#include "engine/admin/secret.h"
#include "tests/harness/folder.h"

namespace flashclaim::access {
namespace {

template <class T>
T need(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}

constexpr auto kPatience = std::chrono::seconds(60);

void psql(const std::string& url, const std::string& sql) {
  const auto ran = harness::run_program("/usr/bin/psql", {"-qXAt", "-v", "ON_ERROR_STOP=1", url}, {}, sql);
  if (ran.exit_code != 0) throw std::runtime_error(ran.err);
}

}  // namespace

World& World::get() {
  harness::run_folder();  // made first, so that it goes last
  static World world;
  return world;
}

World::World() : folder(harness::run_folder() + "/keys") {
  need(admin::make_keys(folder));
  need(admin::make_password(folder + "/redis-tester"));
  const std::string acl =
      need(admin::redis_access(folder)) + "user tester on >" + key("redis-tester") + " ~* &* +@all\n";
  redis_server = std::make_unique<harness::PrivateRedis>(
      harness::Setup{.files = {{"users.acl", acl}},
                     .environment = {{"REDIS_USER", "tester"}, {"REDISCLI_AUTH", key("redis-tester")}}});
  rabbit_server = std::make_unique<harness::PrivateRabbit>(
      harness::Setup{.files = {{"definitions.json", need(admin::rabbitmq_access(folder))}}});
  auto& postgres = harness::PrivatePostgres::shared();
  superuser_pg_url = postgres.fresh_database();
  const std::string sql = need(admin::postgres_access(folder));
  psql(superuser_pg_url, sql);
  const auto migrated = harness::run_program("flashctl", {"db", "migrate", "--yes"}, {{"PG_URL", pg_url("owner")}});
  if (migrated.exit_code != 0) throw std::runtime_error(migrated.err);
  psql(superuser_pg_url, sql);
  flashctl({"lua", "load", "--yes"});
  flashctl({"mq", "declare", "--yes"});
  flashctl({"rebuild", "--if-new", "--yes"});
}

std::string World::key(const std::string& file) const { return need(admin::read_password(folder + "/" + file)); }

std::string World::redis_url(const std::string& role) const {
  return "redis://" + role + ":" + key("redis-" + role) + "@127.0.0.1:" + std::to_string(redis_server->port()) + "/0";
}
std::string World::amqp_url(const std::string& role) const {
  return "amqp://" + role + ":" + key("rabbitmq-" + role) + "@127.0.0.1:" + std::to_string(rabbit_server->port()) +
         "/%2F";
}
std::string World::pg_url(const std::string& role) const {
  const auto at = superuser_pg_url.find('@');
  return "postgresql://flashclaim_" + role + ":" + key("postgres-" + role) + superuser_pg_url.substr(at);
}

harness::Environment World::environment(const std::string& program) const {
  const bool engine = program == "engine";
  return {{"REDIS_URL", redis_url(program)},
          {"PG_URL", pg_url(program)},
          {"AMQP_URL", amqp_url(engine ? "mirror" : program)},
          {"MIRROR_REDIS_URL", engine ? redis_url("mirror") : ""}};
}

redis::Client World::redis(const std::string& role) const {
  return need(redis::Client::connect(redis_url(role), kPatience));
}
std::unique_ptr<amqp::Connection> World::amqp(const std::string& role) const {
  return need(amqp::Connection::open(amqp_url(role), {.name = "test", .deadline_ms = 60000}));
}
std::unique_ptr<postgres::Session> World::pg(const std::string& role) const {
  auto session = postgres::Session::connect(pg_url(role), "test");
  if (!session) throw std::runtime_error(session.error().message);
  return std::move(session).value();
}

std::string World::flashctl(const std::vector<std::string>& words) const {
  const auto ran = harness::run_program("flashctl", words, environment("admin"));
  if (ran.exit_code != 0) throw std::runtime_error("flashctl " + words[0] + ": " + ran.err + ran.out);
  return ran.out;
}

std::vector<std::string> run_sql(const std::string& role, const std::vector<std::string>& statements) {
  const World& world = World::get();
  const std::string url = role.empty() ? world.superuser_pg_url : world.pg_url(role);
  const std::string mark = "----";
  std::string script = "\\set VERBOSITY verbose\n";
  for (const std::string& sql : statements) script += "BEGIN;\n" + sql + ";\nROLLBACK;\n\\warn " + mark + "\n";
  const std::string err = harness::run_program("/usr/bin/psql", {"-qXAt", url}, {}, script).err;
  std::vector<std::string> said;
  std::size_t from = 0;
  for (std::size_t to = 0; (to = err.find(mark + "\n", from)) != std::string::npos; from = to + mark.size() + 1)
    said.push_back(err.substr(from, to - from));
  if (said.size() != statements.size()) throw std::runtime_error("psql: " + err);
  return said;
}

}  // namespace flashclaim::access
