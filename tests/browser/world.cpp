// Starts the programs, and runs a node script that drives the browser.
#include "tests/browser/world.h"

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/harness/folder.h"
#include "tests/harness/paths.h"

namespace flashclaim {

void run_node(const std::string& script, const std::vector<std::string>& arguments, harness::Environment environment) {
  std::vector<std::string> all{harness::source_dir() + "/tests/browser/" + script};
  all.insert(all.end(), arguments.begin(), arguments.end());
  environment["BROWSER_NPM"] = harness::source_dir() + "/build/browser";
  const harness::Finished finished = harness::run_program("/usr/bin/node", all, environment);
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
}

harness::Environment environment_of(const Walk& walk) {
  const auto& [open, later, behind_gate] = walk.coupons;
  std::string refusing;
  for (const auto& [code, coupon, user] : walk.refusing)
    refusing +=
        fmt::format(R"({}{{"code":"{}","coupon":"{}","user":"{}"}})", refusing.empty() ? "" : ",", code, coupon, user);
  const std::string coupons =
      fmt::format(R"({{"open":"{}","later":"{}","stalled":"{}","refusing":[{}]}})", open, later, behind_gate, refusing);
  return {{"DOWN_URL", walk.urls.down},
          {"STALLED_URL", walk.urls.stalled},
          {"LIMITED_URL", walk.urls.limited},
          {"GATEWAY_URL", walk.urls.gateway},
          {"COUPONS", coupons}};
}

std::string walk_keys() {
  std::string path = harness::run_folder() + "/walk-keys";
  std::ofstream(path) << "k1 " << std::string(64, 'a') << '\n';
  EXPECT_EQ(chmod(path.c_str(), 0600), 0);
  return path;
}

Stalling::Stalling(harness::Gate& gate)
    : gate_(gate), thread_([&gate](const std::stop_token& stop) {
        const auto ends_within = [&stop](std::chrono::seconds time) {
          return wait_until([&stop] { return stop.stop_requested(); }, time);
        };
        do gate.set(harness::GateMode::kStall);
        while (!ends_within(std::chrono::seconds(5)) && (gate.pass(), !ends_within(std::chrono::seconds(2))));
      }) {}
Stalling::~Stalling() {
  thread_.request_stop();
  thread_.join();
  gate_.pass();
}

void BrowserWorld::SetUp() {
  WholePath::SetUp();
  start_programs();
}

void BrowserWorld::node(const std::string& script, const std::vector<std::string>& arguments,
                        harness::Environment environment) {
  environment["HTTP_URL"] = "http://127.0.0.1:" + std::to_string(http_port_);
  run_node(script, arguments, std::move(environment));
}

std::int64_t BrowserWorld::coupon(std::int64_t total, std::int64_t begins_in_ms, std::int64_t ends_in_ms) {
  return open_coupon(total, 1, {begins_in_ms, ends_in_ms, "Half price · 半价券"});
}

}  // namespace flashclaim
