// The document of the API against the running engine, and the JavaScript client.
#include "tests/browser/world.h"

namespace flashclaim {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

class Api : public BrowserWorld {};

TEST_F(Api, GivesEveryAnswerOfItsDocumentAndNoOther) {
  const auto open = coupon(10, -1000, kHourMs);
  const auto sold_out = coupon(1, -1000, kHourMs);
  const auto later = coupon(1, kHourMs, 2 * kHourMs);
  const auto paused = coupon(1, -1000, kHourMs);
  const auto ended = coupon(1, -1000, kHourMs);
  ASSERT_EQ(claim(sold_out, 1).status, 202);
  const auto paused_now = admin::pause_coupon(redis(), pg(), paused);
  ASSERT_TRUE(paused_now && paused_now->ok());
  const auto ended_now = admin::end_coupon(redis(), pg(), ended);
  ASSERT_TRUE(ended_now && ended_now->ok());
  const int port = http_port_;
  const std::string redis_url = environment_.at("REDIS_URL");
  environment_["REDIS_URL"] = "redis://127.0.0.1:1/0";
  const auto down = engine({"--role=http", "--archive-threads=0"});
  const int down_port = http_port_;
  environment_["REDIS_URL"] = redis_url;
  http_port_ = port;
  auto field = [](const char* name, std::int64_t id) {
    return std::string("\"") + name + "\":\"" + std::to_string(id) + "\"";
  };
  node("openapi.mjs", {},
       {{"DOWN_URL", "http://127.0.0.1:" + std::to_string(down_port)},
        {"COUPONS", "{" + field("open", open) + "," + field("soldOut", sold_out) + "," + field("later", later) + "," +
                        field("paused", paused) + "," + field("ended", ended) + "}"}});
  await_rest();
  expect_invariants();
}

TEST(JavaScriptClient, FollowsTheRetryPolicy) {
  const harness::Finished finished =
      harness::run_program("/usr/bin/node", {std::string(FLASHCLAIM_SOURCE_DIR) + "/tests/browser/client.mjs"});
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
}

}  // namespace
}  // namespace flashclaim
