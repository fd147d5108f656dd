// The document of the API against the running engine, and the JavaScript client.
#include <utility>

#include "tests/browser/world.h"
#include "tests/harness/gate.h"
#include "tests/harness/paths.h"

namespace flashclaim {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

class Api : public BrowserWorld {
 protected:
  struct Other {
    std::unique_ptr<harness::Process> program;
    std::string url;
  };
  /// One more engine, of another kind; the first stays the one that everybody asks.
  Other other(const std::string& redis_url, std::vector<std::string> flags) {
    const int port = http_port_;
    const std::string usual = std::exchange(environment_["REDIS_URL"], redis_url);
    flags.emplace_back("--role=http");
    Other made{engine(flags), "http://127.0.0.1:" + std::to_string(http_port_)};
    environment_["REDIS_URL"] = usual;
    http_port_ = port;
    return made;
  }
};

TEST_F(Api, GivesEveryAnswerOfItsDocumentAndNoOther) {
  const auto open = coupon(10, -1000, kHourMs);
  const auto sold_out = coupon(1, -1000, kHourMs);
  const auto later = coupon(1, kHourMs, 2 * kHourMs);
  const auto paused = coupon(1, -1000, kHourMs);
  const auto ended = coupon(1, -1000, kHourMs);
  const auto behind_gate = coupon(10'000, -1000, kHourMs);
  ASSERT_EQ(claim(sold_out, 1).status, 202);
  const auto paused_now = operations::pause_coupon(admin_redis(), admin_pg(), paused);
  ASSERT_TRUE(paused_now && paused_now->ok());
  const auto ended_now = operations::end_coupon(admin_redis(), admin_pg(), ended);
  ASSERT_TRUE(ended_now && ended_now->ok());
  const Other down = other("redis://127.0.0.1:1/0", {"--archive-threads=0"});
  const std::string redis_url = environment_.at("REDIS_URL");
  harness::Gate gate(redis_server().port());
  const Other stalled = other(gate.through(redis_url), {"--threads=1"});
  const Other limited = other(redis_url, {"--address-rate=1"});
  const Other gateway = other(redis_url, {"--auth=gateway", "--gateways=127.0.0.1", "--auth-keys=" + walk_keys()});
  auto stalling = std::make_unique<Stalling>(gate);
  node("openapi.mjs", {},
       environment_of({{down.url, stalled.url, limited.url, gateway.url},
                       {std::to_string(open), std::to_string(later), std::to_string(behind_gate)},
                       {{"LIMIT_REACHED", std::to_string(open)},
                        {"SOLD_OUT", std::to_string(sold_out)},
                        {"NOT_STARTED", std::to_string(later)},
                        {"PAUSED", std::to_string(paused)},
                        {"ENDED", std::to_string(ended)}}}));
  stalling.reset();
  await_rest();
  expect_invariants();
}

void expect_passes(const std::string& script) {
  const harness::Finished finished =
      harness::run_program("/usr/bin/node", {harness::source_dir() + "/tests/browser/" + script});
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
}

TEST(JavaScriptClient, FollowsTheRetryPolicy) { expect_passes("client.mjs"); }

TEST(SalePageParts, JudgeKeepAndWriteAsTheyShould) { expect_passes("page.mjs"); }

}  // namespace
}  // namespace flashclaim
