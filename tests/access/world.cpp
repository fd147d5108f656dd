// Starts the three services once, and connects to each as any of its users.
#include "tests/access/world.h"

#include <stdexcept>

#include "tests/harness/folder.h"
#include "tests/harness/logins.h"

namespace flashclaim::access {
namespace {

template <class T>
T need(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}

constexpr auto kPatience = std::chrono::seconds(60);

}  // namespace

World& World::get() {
  harness::run_folder();  // made first, so that it goes last
  static World world;
  return world;
}

World::World()
    : redis_server(std::make_unique<harness::PrivateRedis>()),
      rabbit_server(std::make_unique<harness::PrivateRabbit>()),
      superuser_pg_url(harness::PrivatePostgres::shared().fresh_database()) {
  const auto migrated = harness::run_program("flashctl", {"db", "migrate", "--yes"}, {{"PG_URL", superuser_pg_url}});
  if (migrated.exit_code != 0) throw std::runtime_error(migrated.err);
  harness::PrivatePostgres::grant(superuser_pg_url);
  flashctl({"lua", "load", "--yes"});
  flashctl({"mq", "declare", "--yes"});
  flashctl({"rebuild", "--if-new", "--yes"});
}

std::string World::redis_url(const std::string& role) const { return harness::as(role, redis_server->url()); }
std::string World::amqp_url(const std::string& role) const { return harness::as(role, rabbit_server->url()); }
std::string World::pg_url(const std::string& role) const { return harness::as(role, superuser_pg_url); }

harness::Environment World::environment() const {
  return {{"REDIS_URL", redis_server->url()}, {"AMQP_URL", rabbit_server->url()}, {"PG_URL", superuser_pg_url}};
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
  const auto ran = harness::run_program("flashctl", words, environment());
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

void allow_to_publish(const std::string& vhost, const std::string& user, const std::string& write,
                      const std::string& topics) {
  const auto text = [](const std::string& words) { return "<<\"" + words + "\">>"; };
  const std::string who = text(user) + ", " + text(vhost) + ", ";
  World::get().rabbit_server->ctl({"eval", "ok = rabbit_auth_backend_internal:set_permissions(" + who + text("^$") +
                                               ", " + text(write) + ", " + text("^promotion") + ", " + text("test") +
                                               "), ok = rabbit_auth_backend_internal:set_topic_permissions(" + who +
                                               text("promotion.topic") + ", " + text(topics) + ", " + text("^$") +
                                               ", " + text("test") + "), ok."});
}

std::string run_sql_for_good(const std::string& statement) {
  return harness::run_program("/usr/bin/psql", {"-qXAt", World::get().superuser_pg_url}, {}, statement + ";\n").err;
}

}  // namespace flashclaim::access
