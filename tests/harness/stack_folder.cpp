// Calls the stack's script with a folder and ports of its own, and ends what it started.
#include "tests/harness/stack_folder.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/harness/folder.h"
#include "tests/harness/paths.h"
#include "tests/harness/witness.h"

namespace flashclaim::harness {
namespace {

std::string script(const char* name) { return source_dir() + "/tests/stack/" + name; }

constexpr const char* kPrograms[] = {"engine", "consumer"};

}  // namespace

StackFolder::StackFolder(std::string door, std::string folder)
    : folder_(std::move(folder)), door_(std::move(door)), base_(free_ports(8)) {
  if (folder_.empty()) folder_ = run_folder() + "/stack-" + std::to_string(base_);
}

StackFolder::~StackFolder() {
  (void)make("down");
  if (!watched_) return;
  for (const std::string& log : servers()) {
    look_at_server(log);
    forget_server(log);
  }
  for (const char* program : kPrograms) forget_log(path(std::string("log/") + program + ".log"));
}

std::vector<std::string> StackFolder::servers() const {
  return {path("redis/redis.log"), path("rabbitmq/log/flashclaim@localhost.log"), path("postgres/data/server.log")};
}

void StackFolder::watch() {
  if (std::exchange(watched_, true)) return;
  std::string password;
  std::ifstream(path("keys/redis-admin")) >> password;
  const std::string redis = "redis://admin:" + password + "@127.0.0.1:" + std::to_string(base_ + 2) + "/0";
  for (const std::string& log : servers()) watch_server(log, log.ends_with("redis.log") ? redis : "");
  for (const char* program : kPrograms) watch_log(path(std::string("log/") + program + ".log"));
}

Finished StackFolder::make(const std::string& goal, const Environment& changed) {
  if (watched_ && goal != "up")  // an ACL LOG goes with its server
    for (const std::string& log : servers()) look_at_server(log);
  Environment environment{{"FLASHCLAIM_RUN", folder_},
                          {"FLASHCLAIM_BIN", bin_dir()},
                          {"FLASHCLAIM_PORT_BASE", std::to_string(base_)},
                          {"FLASHCLAIM_DOOR", door_}};
  for (const auto& [name, value] : changed) environment[name] = value;
  Finished done = run_program(script("stack.sh"), {goal}, environment);
  if (goal == "up" && done.exit_code == 0) watch();
  return done;
}

Finished StackFolder::operate(const std::string& line) const {
  return run_program("/bin/bash", {"-c", ". \"$0/env\" && " + line, folder_});
}

std::string StackFolder::printed(const std::string& line) const {
  auto done = operate(line);
  EXPECT_EQ(done.exit_code, 0) << line << ": " << done.out << done.err;
  if (done.out.ends_with('\n')) done.out.pop_back();
  return done.out;
}

void StackFolder::service(const std::string& verb, const std::string& kind,
                          const std::vector<std::string>& words) const {
  const int port = base_ + (kind == "redis" ? 2 : kind == "rabbitmq" ? 3 : 6);
  std::vector<std::string> arguments{verb, kind, path(kind), std::to_string(port)};
  arguments.insert(arguments.end(), words.begin(), words.end());
  const auto done = run_program(script("service.sh"), arguments);
  EXPECT_EQ(done.exit_code, 0) << verb << " " << kind << ": " << done.out << done.err;
}

RawConnection StackFolder::connect() const {
  if (door_ == "off") return RawConnection(base_);
  return RawConnection(base_, TlsClient{.trusted = path("door/engine.pem")});
}

std::string StackFolder::signed_headers(const std::string& method, const std::string& path, const std::string& user,
                                        const std::string& key) const {
  std::vector<std::string> words = {"sign", this->path("door"), method, path, user};
  if (!key.empty()) words.push_back(key);
  std::string lines = run_program(script("door.sh"), words).out;
  for (std::size_t at = 0; (at = lines.find('\n', at)) != std::string::npos; at += 2) lines.insert(at, "\r");
  return lines;
}

RawAnswer StackFolder::ask(const std::string& method, const std::string& path, const std::string& user,
                           const std::string& key) const {
  std::string headers = "X-User-Id: " + user + "\r\n" + (key.empty() ? "" : "Idempotency-Key: " + key + "\r\n");
  if (door_ == "on") headers = signed_headers(method, path.substr(0, path.find('?')), user, key);
  RawConnection connection = connect();
  connection.send(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n");
  return connection.answer().value_or(RawAnswer{});
}

void StackFolder::claim(int first_user, int count) const {
  RawConnection connection(base_);
  for (int user = first_user; user < first_user + count; ++user) {
    connection.send("POST /coupons/1/receive HTTP/1.1\r\nHost: a\r\nX-User-Id: " + std::to_string(user) + "\r\n\r\n");
    const auto answer = connection.answer().value_or(RawAnswer{});
    ASSERT_EQ(answer.status, 202) << answer.body;
  }
}

std::string StackFolder::rows() const {
  return printed("psql -wqXAt \"$PG_URL\" -c 'SELECT count(*) FROM user_coupon WHERE coupon_id = 1'");
}

}  // namespace flashclaim::harness
