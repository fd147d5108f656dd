// See world.h.
#include "tests/browser/world.h"

#include "tests/harness/paths.h"

namespace flashclaim {

void BrowserWorld::SetUp() {
  WholePath::SetUp();
  start_programs();
}

void BrowserWorld::node(const std::string& script, const std::vector<std::string>& arguments,
                        harness::Environment environment) {
  std::vector<std::string> all{harness::source_dir() + "/tests/browser/" + script};
  all.insert(all.end(), arguments.begin(), arguments.end());
  environment["HTTP_URL"] = "http://127.0.0.1:" + std::to_string(http_port_);
  environment["BROWSER_NPM"] = harness::source_dir() + "/build/browser";
  const harness::Finished finished = harness::run_program("/usr/bin/node", all, environment);
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
}

std::int64_t BrowserWorld::coupon(std::int64_t total, std::int64_t begins_in_ms, std::int64_t ends_in_ms) {
  return open_coupon(total, 1, {begins_in_ms, ends_in_ms, "Half price · 半价券"});
}

}  // namespace flashclaim
