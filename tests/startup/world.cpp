// See world.h.
#include "tests/startup/world.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/harness/folder.h"
#include "tests/harness/paths.h"
#include "tests/harness/raw_http.h"

namespace flashclaim {
namespace {

std::string script(const char* name) { return harness::source_dir() + "/tests/stack/" + name; }

}  // namespace

std::string content_of(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::string all = text.str();
  if (all.ends_with('\n')) all.pop_back();
  return all;
}

void empty(const std::string& path) { std::ofstream(path, std::ios::trunc).close(); }

std::vector<int> processes_below(const std::string& folder) {
  std::vector<int> found;
  const std::string above = folder.ends_with('/') ? folder : folder + "/";
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::error_code gone;
    const std::string cwd = std::filesystem::read_symlink(entry.path() / "cwd", gone).string();
    if (!gone && (cwd + "/").starts_with(above)) found.push_back(std::stoi(name));
  }
  return found;
}

ServiceFolder::ServiceFolder(std::string kind, std::string folder)
    : kind_(std::move(kind)), folder_(std::move(folder)), port_(harness::free_ports(kind_ == "rabbitmq" ? 3 : 1)) {
  if (folder_.empty()) folder_ = harness::run_folder() + "/" + kind_ + "-" + std::to_string(port_);
}

ServiceFolder::~ServiceFolder() { (void)run("kill"); }

harness::Finished ServiceFolder::run(const std::string& verb, const harness::Environment& environment) const {
  return harness::run_program(script("service.sh"), {verb, kind_, folder_, std::to_string(port_)}, environment);
}

int ServiceFolder::pid() const {
  const auto status = run("status");
  return status.exit_code == 0 ? std::stoi(status.out) : -1;
}

StackFolder::StackFolder(std::string door, std::string folder)
    : folder_(std::move(folder)), door_(std::move(door)), base_(harness::free_ports(8)) {
  if (folder_.empty()) folder_ = harness::run_folder() + "/stack-" + std::to_string(base_);
}

StackFolder::~StackFolder() { (void)make("down"); }

harness::Finished StackFolder::make(const std::string& goal, const harness::Environment& changed) const {
  harness::Environment environment{{"FLASHCLAIM_RUN", folder_},
                                   {"FLASHCLAIM_BIN", harness::bin_dir()},
                                   {"FLASHCLAIM_PORT_BASE", std::to_string(base_)},
                                   {"FLASHCLAIM_DOOR", door_}};
  for (const auto& [name, value] : changed) environment[name] = value;
  return harness::run_program(script("stack.sh"), {goal}, environment);
}

harness::Finished StackFolder::operate(const std::string& line) const {
  return harness::run_program("/bin/bash", {"-c", ". \"$0/env\" && " + line, folder_});
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
  const auto done = harness::run_program(script("service.sh"), arguments);
  EXPECT_EQ(done.exit_code, 0) << verb << " " << kind << ": " << done.out << done.err;
}

void StackFolder::claim(int first_user, int count) const {
  harness::RawConnection connection(base_);
  for (int user = first_user; user < first_user + count; ++user) {
    connection.send("POST /coupons/1/receive HTTP/1.1\r\nHost: a\r\nX-User-Id: " + std::to_string(user) + "\r\n\r\n");
    const auto answer = connection.answer().value_or(harness::RawAnswer{});
    ASSERT_EQ(answer.status, 202) << answer.body;
  }
}

std::string StackFolder::rows() const {
  return printed("psql -wqXAt \"$PG_URL\" -c 'SELECT count(*) FROM user_coupon WHERE coupon_id = 1'");
}

StackFolder& StackTest::stack() {
  harness::run_folder();  // made first, so that it goes last
  static StackFolder one;
  return one;
}

std::string StackTest::up(const harness::Environment& changed) {
  const auto done = stack().make("up", changed);
  EXPECT_EQ(done.exit_code, 0) << done.out << done.err;
  return done.out + done.err;
}

std::string StackTest::refused(const std::string& words, const harness::Environment& changed) {
  const auto done = stack().make("up", changed);
  EXPECT_NE(done.exit_code, 0) << done.out;
  EXPECT_NE(done.err.find(words), std::string::npos) << done.out << done.err;
  return done.err;
}

}  // namespace flashclaim
