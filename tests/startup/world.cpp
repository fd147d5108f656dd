// Runs the scripts in a folder and on ports of its own, and looks at the processes that they leave.
#include "tests/startup/world.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/harness/folder.h"
#include "tests/harness/paths.h"

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
