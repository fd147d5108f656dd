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

#include "engine/access/access.h"
#include "engine/access/secret.h"
#include "engine/base/digest.h"
#include "engine/redis/async.h"
#include "engine/redis/keys.h"
#include "engine/redis/resp.h"
#include "tests/harness/folder.h"
#include "tests/harness/logins.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"
#include "tests/harness/witness.h"

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

template <class T>
T need(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(result).value();
}

/// `trusted`: the authority of a server that speaks TLS, or "".
std::string redis_url(int port, const std::string& trusted) {
  const std::string where =
      "://" + std::string(kTester) + ":" + tester_password() + "@127.0.0.1:" + std::to_string(port) + "/0";
  return trusted.empty() ? "redis" + where : "rediss" + where + "?cacertfile=" + trusted;
}

}  // namespace

Service::Service(const char* kind, int ports, Setup setup)
    : kind_(kind),
      port_(free_ports(ports)),
      folder_(run_folder() + "/" + kind + "-" + std::to_string(port_)),
      files_(std::move(setup.files)),
      environment_(std::move(setup.environment)) {
  environment_["REDIS_EXTRA"] = environment_["POSTGRES_EXTRA"] = setup.options;
  std::filesystem::create_directories(folder_);
  if (setup.tls) use(*setup.tls);
  start();
}

std::string Service::log_path() const {
  if (kind() == "redis") return folder_ + "/redis.log";
  return folder_ + (kind() == "rabbitmq" ? "/log/flashclaim@localhost.log" : "/data/server.log");
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
  asks_ = !tls.client_ca.empty();
  if (asks_) copy(tls.client_ca, "client_ca.pem");
  if (geteuid() != 0) return;
  // As root PostgreSQL is another user, to whose group service.sh gives these files; for anybody else 0600 is right.
  using std::filesystem::perms;
  for (const char* file : {"server.pem", "server.key"})
    std::filesystem::permissions(folder_ + "/tls/" + file, perms::owner_read | perms::owner_write | perms::group_read);
}

std::string Service::trusted() const { return tls_ ? folder_ + "/tls/ca.pem" : ""; }

Service::~Service() {
  look_at_server(log_path());
  forget_server(log_path());
  run_program(source("tests/stack/service.sh"), {"kill", kind_, folder_, std::to_string(port_)});
}

void Service::run(const char* verb) const {
  must(source("tests/stack/service.sh"), {verb, kind_, folder_, std::to_string(port_)}, environment_);
}

void Service::start() {
  for (const auto& [name, text] : files_) std::ofstream(folder_ + "/" + name) << text;
  run("start");
  watch_server(log_path(), kind() == "redis" && !asks_ ? redis_url(port(), trusted()) : "");
}
void Service::stop() {
  look_at_server(log_path());
  run("stop");
}
void Service::kill() {
  look_at_server(log_path());
  run("kill");
}

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
namespace {

/// The users of `flashctl access`, and the tester. The probe of service.sh is the admin, as in `make up`.
Setup with_users_of_redis(Setup setup) {
  setup.files.emplace("users.acl", need(access::redis_access(keys_folder())) + "user " + kTester + " on #" +
                                       access::redis_hash(tester_password()) + " ~* &* +@all\n");
  setup.environment.emplace("REDIS_USER", "admin");
  setup.environment.emplace("REDISCLI_AUTH", need(access::read_password(keys_folder() + "/redis-admin")));
  return setup;
}

}  // namespace

PrivateRedis::PrivateRedis(Setup setup) : Service("redis", 1, with_users_of_redis(std::move(setup))) {}

PrivateRedis& PrivateRedis::shared() {
  run_folder();  // made first, so that it goes last
  static PrivateRedis redis;
  return redis;
}

std::string PrivateRedis::url() const { return redis_url(port(), trusted()); }

std::string PrivateRedis::cli(const std::vector<std::string>& words) const {
  std::vector<std::string> all = {"-p", std::to_string(port()), "--user", kTester};
  if (!trusted().empty()) all.insert(all.end(), {"--tls", "--cacert", trusted()});
  all.insert(all.end(), words.begin(), words.end());
  return must("/usr/bin/redis-cli", all, {{"REDISCLI_AUTH", tester_password()}});
}

void PrivateRedis::take_certificates() const {
  const std::string tls = folder() + "/tls/";
  (void)cli({"CONFIG", "SET", "tls-cert-file", tls + "server.pem", "tls-key-file", tls + "server.key"});
}

void PrivateRedis::flush() { (void)cli({"FLUSHALL"}); }

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
namespace {

/// The definitions of `flashctl access`, and the tester in them. A broker that begins with definitions makes no guest.
Setup with_users_of_rabbit(Setup setup) {
  std::string text = need(access::rabbitmq_access(keys_folder()));
  const auto add = [&text](const std::string& list, const std::string& member) {
    text.insert(text.find(list) + list.size(), member + ",");
  };
  const std::string tester = kTester;
  add("\"users\":[", R"({"name":")" + tester + R"(","password_hash":")" +
                         access::rabbitmq_hash(tester, tester_password()) +
                         R"(","hashing_algorithm":"rabbit_password_hashing_sha256","tags":[]})");
  add("\n\"permissions\":[", R"({"user":")" + tester + R"(","vhost":"/","configure":".*","write":".*","read":".*"})");
  setup.files.emplace("definitions.json", text);
  return setup;
}

}  // namespace

PrivateRabbit::PrivateRabbit(Setup setup) : Service("rabbitmq", 3, with_users_of_rabbit(std::move(setup))) {}

PrivateRabbit& PrivateRabbit::shared() {
  run_folder();
  static PrivateRabbit rabbit;
  return rabbit;
}

std::string PrivateRabbit::url_of(const std::string& vhost) const {
  const std::string where =
      "://" + std::string(kTester) + ":" + tester_password() + "@127.0.0.1:" + std::to_string(port()) + "/" + vhost;
  return trusted().empty() ? "amqp" + where : "amqps" + where + "?cacertfile=" + trusted();
}

std::string PrivateRabbit::url() const { return url_of("%2F"); }

// A call of the broker's CLI starts an Erlang machine, which takes seconds: it makes eight vhosts at a time.
std::string PrivateRabbit::fresh_vhost() {
  static constexpr int kBatch = 8;
  if (vhosts_ == made_) {
    std::string program;
    for (int n = made_ + 1; n <= made_ + kBatch; ++n) {
      const std::string name = "test" + std::to_string(n);
      const std::string file = folder() + "/" + name + ".json";
      std::ofstream(file) << access::rabbitmq_permissions(name);
      program += "V" + name + " = <<\"" + name + "\">>, rabbit_vhost:add(V" + name +
                 ", <<\"test\">>), rabbit_auth_backend_internal:set_permissions(<<\"" + kTester + "\">>, V" + name +
                 ", <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"test\">>), {ok, F" + name + "} = file:read_file(\"" + file +
                 "\"), ok = rabbit_definitions:import_raw(F" + name + "), ";
    }
    program += "ok.";
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
  add_tester("flashclaim:" + password);
  const std::string verified = trusted().empty() ? "" : "?sslmode=verify-full&sslrootcert=" + trusted();
  return "postgresql://flashclaim:" + password + "@127.0.0.1:" + std::to_string(port()) + "/" + database + verified;
}

void PrivatePostgres::grant(const std::string& url) {
  must("/usr/bin/psql", {"-qXAt", "-v", "ON_ERROR_STOP=1", url}, {}, need(access::postgres_access(keys_folder())));
}

std::string PrivatePostgres::create_database(const std::string& database_template) {
  const std::string name = "test" + std::to_string(++databases_);
  must("/usr/bin/psql",
       {"-qXAt", "-v", "ON_ERROR_STOP=1", "-c", "CREATE DATABASE " + name + " TEMPLATE " + database_template, url()});
  grant(url_of(name));
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
