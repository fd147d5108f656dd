// Redis, RabbitMQ and PostgreSQL for tests, driven through tests/stack/service.sh like the stack of `make up`.
#include "tests/harness/services.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "engine/base/digest.h"
#include "engine/redis/async.h"
#include "engine/redis/keys.h"
#include "tests/harness/folder.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"

namespace flashclaim::harness {
namespace {

std::string source(const std::string& path) { return source_dir() + "/" + path; }

/// Runs a program that must succeed and returns its stdout.
std::string must(const std::string& program, const std::vector<std::string>& arguments,
                 const Environment& environment = {}, const std::string& input = "") {
  const Finished finished = run_program(program, arguments, environment, input);
  if (finished.exit_code != 0) {
    throw std::runtime_error(program + " failed: " + finished.out + finished.err);
  }
  return finished.out;
}

}  // namespace

Service::Service(const char* kind, int ports, Setup setup)
    : kind_(kind),
      port_(free_ports(ports)),
      folder_(run_folder() + "/" + kind + "-" + std::to_string(port_)),
      environment_(std::move(setup.environment)) {
  environment_["REDIS_EXTRA"] = environment_["POSTGRES_EXTRA"] = setup.options;
  std::filesystem::create_directories(folder_);
  for (const auto& [name, text] : setup.files) std::ofstream(folder_ + "/" + name) << text;
  if (setup.tls) use(*setup.tls);
  start();
}

void Service::use(const ServerTls& tls) {
  tls_ = true;
  std::filesystem::create_directories(folder_ + "/tls");
  const auto copy = [&](const std::string& from, const char* to) {
    std::filesystem::copy_file(from, folder_ + "/tls/" + to, std::filesystem::copy_options::overwrite_existing);
  };
  copy(tls.certificate.certificate, "server.pem");
  copy(tls.certificate.key, "server.key");
  copy(tls.trusted, "ca.pem");
  if (!tls.client_ca.empty()) copy(tls.client_ca, "client_ca.pem");
  if (geteuid() != 0) return;
  // As root PostgreSQL is another user, to whose group service.sh gives these files; for anybody else 0600 is right.
  using std::filesystem::perms;
  for (const char* file : {"server.pem", "server.key"})
    std::filesystem::permissions(folder_ + "/tls/" + file, perms::owner_read | perms::owner_write | perms::group_read);
}

std::string Service::trusted() const { return tls_ ? folder_ + "/tls/ca.pem" : ""; }

Service::~Service() { run_program(source("tests/stack/service.sh"), {"kill", kind_, folder_, std::to_string(port_)}); }

void Service::run(const char* verb) const {
  must(source("tests/stack/service.sh"), {verb, kind_, folder_, std::to_string(port_)}, environment_);
}

void Service::start() { run("start"); }
void Service::stop() { run("stop"); }
void Service::kill() { run("kill"); }

int Service::pid() const {
  const Finished finished =
      run_program(source("tests/stack/service.sh"), {"status", kind_, folder_, std::to_string(port_)});
  return finished.exit_code == 0 ? std::stoi(finished.out) : -1;
}

// A postmaster's backends are processes of their own; a beam's and a Redis' children are not stopped: they hold no
// sockets.
void Service::signal_all(int number) const {
  const int main = pid();
  if (main <= 0) {
    throw std::runtime_error(std::string(kind_) + " does not run");
  }
  ::kill(main, number);
  std::ifstream children("/proc/" + std::to_string(main) + "/task/" + std::to_string(main) + "/children");
  for (int child = 0; children >> child;) {
    ::kill(child, number);
  }
}
void Service::pause() { signal_all(SIGSTOP); }
void Service::resume() { signal_all(SIGCONT); }

// --- Redis
PrivateRedis::PrivateRedis(std::string options) : PrivateRedis(Setup{std::move(options)}) {}
PrivateRedis::PrivateRedis(Setup setup) : Service("redis", 1, std::move(setup)) {}

PrivateRedis& PrivateRedis::shared() {
  run_folder();  // made first, so that it goes last
  static PrivateRedis redis;
  return redis;
}

std::string PrivateRedis::url() const { return "redis://127.0.0.1:" + std::to_string(port()) + "/0"; }

void PrivateRedis::flush() { must("/usr/bin/redis-cli", {"-p", std::to_string(port()), "FLUSHALL"}); }

std::string PrivateRedis::append_only_file() const {
  std::string newest;
  for (const auto& entry : std::filesystem::directory_iterator(folder() + "/appendonlydir")) {
    if (entry.path().string().ends_with(".incr.aof")) newest = std::max(newest, entry.path().string());
  }
  return newest;
}

void PrivateRedis::tear_claim(std::int64_t coupon, std::int64_t user) const {
  const redis::CouponKeys keys(coupon);
  const std::string users = std::to_string(user);
  const auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  const std::string entry = std::to_string(now_ms.count()) + "-0";
  const std::string sum = checksum("1 " + users);
  const std::string counter = keys.user(user);
  const std::vector<std::vector<std::string_view>> commands = {
      {"MULTI"}, {"XADD", keys.claims, "NOMKSTREAM", entry, "e", "1", "u", users, "h", sum}, {"MSET", counter, "1"}};
  std::string written;
  for (const auto& command : commands) redis::append_resp(written, command);
  written.resize(written.size() - 12);
  std::ofstream(append_only_file(), std::ios::app | std::ios::binary) << written;
}

// --- RabbitMQ
PrivateRabbit::PrivateRabbit(Setup setup) : Service("rabbitmq", 3, std::move(setup)) {}

PrivateRabbit& PrivateRabbit::shared() {
  run_folder();
  static PrivateRabbit rabbit;
  return rabbit;
}

std::string PrivateRabbit::url_of(const std::string& vhost) const {
  const std::string where = "://guest:guest@127.0.0.1:" + std::to_string(port()) + "/" + vhost;
  return trusted().empty() ? "amqp" + where : "amqps" + where + "?cacertfile=" + trusted();
}

std::string PrivateRabbit::url() const { return url_of("%2F"); }

// A call of the broker's CLI starts an Erlang machine, which takes seconds: it makes eight vhosts at a time.
std::string PrivateRabbit::fresh_vhost() {
  static constexpr int kBatch = 8;
  if (vhosts_ == made_) {
    const std::string program =
        "lists:foreach(fun(N) -> V = iolist_to_binary([\"test\", integer_to_list(N)]), rabbit_vhost:add(V, "
        "<<\"test\">>), "
        "rabbit_auth_backend_internal:set_permissions(<<\"guest\">>, V, <<\".*\">>, <<\".*\">>, <<\".*\">>, "
        "<<\"test\">>) end, "
        "lists:seq(" +
        std::to_string(made_ + 1) + ", " + std::to_string(made_ + kBatch) + ")).";
    must(source("tests/stack/service.sh"), {"ctl", "rabbitmq", folder(), std::to_string(port()), "eval", program});
    made_ += kBatch;
  }
  return url_of("test" + std::to_string(++vhosts_));
}

void PrivateRabbit::let_new_queues_reach_the_disk() { std::this_thread::sleep_for(std::chrono::seconds(2)); }

void PrivateRabbit::ctl(const std::vector<std::string>& words) {
  std::vector<std::string> arguments = {"ctl", "rabbitmq", folder(), std::to_string(port())};
  arguments.insert(arguments.end(), words.begin(), words.end());
  must(source("tests/stack/service.sh"), arguments);
}

// --- PostgreSQL
// After a kill the server syncs its whole folder, which here holds a database of each test: syncfs does it in one call.
static Setup syncing_in_one_call(Setup setup) {
  setup.options.insert(0, "-c recovery_init_sync_method=syncfs ");
  return setup;
}

PrivatePostgres::PrivatePostgres(std::string options) : PrivatePostgres(Setup{std::move(options)}) {}
PrivatePostgres::PrivatePostgres(Setup setup) : Service("postgres", 1, syncing_in_one_call(std::move(setup))) {}

PrivatePostgres& PrivatePostgres::shared() {
  run_folder();
  static PrivatePostgres postgres;
  return postgres;
}

std::string PrivatePostgres::url_of(const std::string& database) const {
  std::ifstream file(folder() + "/password");
  std::string password;
  file >> password;
  const std::string verified = trusted().empty() ? "" : "?sslmode=verify-full&sslrootcert=" + trusted();
  return "postgresql://flashclaim:" + password + "@127.0.0.1:" + std::to_string(port()) + "/" + database + verified;
}

std::string PrivatePostgres::create_database(const std::string& database_template) {
  const std::string name = "test" + std::to_string(++databases_);
  must("/usr/bin/psql",
       {"-qXAt", "-v", "ON_ERROR_STOP=1", "-c", "CREATE DATABASE " + name + " TEMPLATE " + database_template, url()});
  return url_of(name);
}

std::string PrivatePostgres::fresh_database() { return create_database("template0"); }

std::string PrivatePostgres::migrated_database() {
  if (!std::exchange(has_template_, true)) {
    create_template();
  }
  return create_database("migrated");
}

}  // namespace flashclaim::harness
