// A coupon that nobody can have now: the engine repeats what Redis said, hardly asks, and opens again by itself.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "engine/operations/operations.h"
#include "engine/redis/keys.h"
#include "tests/harness/gate.h"
#include "tests/harness/logins.h"
#include "tests/harness/paths.h"
#include "tests/harness/process.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

class ShutCoupon : public WholePath {
 protected:
  /// One unit, which user 1 has (with the key "first"); the engine knows that nothing is left.
  std::int64_t sold_out() {
    const auto coupon = open_coupon(1, 1);
    const auto answer = claim(coupon, 1, "first");
    EXPECT_TRUE(accepted(answer, 1)) << answer.body;
    for (int user = 2; user < 40; ++user) EXPECT_EQ(json_field(claim(coupon, user).body, "code"), "SOLD_OUT");
    return coupon;
  }
  void flashctl(std::vector<std::string> words) {
    words.emplace_back("--yes");
    const auto run = harness::run_program(harness::bin_dir() + "/flashctl", words, environment_);
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }
  /// FCALLs that Redis has carried out: with an engine that is no mirror and no consumer, those of claims.
  std::int64_t calls() {
    const auto info = redis_text({"INFO", "commandstats"});
    const std::string name = "cmdstat_fcall:calls=";
    return std::stoll(info.substr(info.find(name) + name.size()));
  }
  void expect_all_settled() {
    await_rest();
    expect_invariants(told_);
  }
};

TEST_F(ShutCoupon, CostsRedisTenCallsASecond) {
  engine_ = engine({"--role=http", "--threads=1"});
  const auto coupon = sold_out();
  const auto began = std::chrono::steady_clock::now();
  const auto before = calls();
  int refused = 0;
  while (refused < 1000 || std::chrono::steady_clock::now() - began < std::chrono::seconds(1)) {
    ASSERT_EQ(json_field(claim(coupon, 1000 + refused).body, "code"), "SOLD_OUT");
    ++refused;
  }
  const auto asked = calls() - before;
  const std::chrono::duration<double> lasted = std::chrono::steady_clock::now() - began;
  EXPECT_GE(asked, 1);
  EXPECT_LE(static_cast<double>(asked), 10 * lasted.count() + 1) << refused << " claims";
  engine_.reset();
  start_programs();
  expect_all_settled();
}

TEST_F(ShutCoupon, OpensAgainWhenStockComes) {
  start_programs();
  const auto coupon = sold_out();
  flashctl({"coupon", "update", std::to_string(coupon), "--total", "2"});
  ASSERT_TRUE(wait_until([&] { return accepted(claim(coupon, 2), 2); }));
  expect_all_settled();
}

// INV-5. Redis is asked whether the coupon is still shut, and its answer is long on its way; meanwhile stock comes, and
// then a claim, which waits for that answer.
TEST_F(ShutCoupon, ALateAnswerIsNoWordAboutWhoCameAfterIt) {
  harness::Gate gate(redis_server().port());
  const auto connect = [] {
    return redis::Client::connect(harness::as("admin", redis_server().url()), std::chrono::seconds(30)).value();
  };
  const auto carried_out = [](redis::Client& direct) {
    const auto info = redis::ok(direct.command({"INFO", "commandstats"}));
    const std::string text(info->text());
    const std::string name = "cmdstat_fcall:calls=";
    return std::stoll(text.substr(text.find(name) + name.size()));
  };
  environment_["REDIS_URL"] = gate.through(environment_["REDIS_URL"]);
  engine_ = engine({"--role=http", "--threads=1"});
  const auto coupon = sold_out();
  gate.set(harness::GateMode::kDelay, 700);
  auto direct = connect();
  const auto before = carried_out(direct);
  std::thread asks([&] {
    auto own = connect();
    while (carried_out(own) == before) claim(coupon, 100);  // answered by the engine until it has to ask
  });
  EXPECT_TRUE(wait_until([&] { return carried_out(direct) > before; }));
  operations::CouponChange more;
  more.total = 2;
  const auto restocked = operations::update_coupon(direct, admin_pg(), coupon, more);
  EXPECT_TRUE(restocked && restocked->ok());
  const auto answer = claim(coupon, 101);
  asks.join();
  EXPECT_NE(json_field(answer.body, "code"), "SOLD_OUT") << "the restock was done before it asked";
  gate.pass();
  EXPECT_TRUE(accepted(answer, 101) || wait_until([&] { return accepted(claim(coupon, 101), 101); }));
  environment_["REDIS_URL"] = redis_server().url();
  engine_.reset();
  start_programs();
  expect_all_settled();
}

TEST_F(ShutCoupon, LetsAKeyThroughToItsReplay) {
  start_programs();
  const auto coupon = sold_out();
  for (int times = 0; times < 50; ++times) {
    EXPECT_EQ(json_field(claim(coupon, 2).body, "code"), "SOLD_OUT");
    const auto again = claim(coupon, 1, "first");
    EXPECT_EQ(again.status, 202) << again.body;
    EXPECT_EQ(json_field(again.body, "claimId"), told_.acknowledged.front().claim.text());
  }
  expect_all_settled();
}

TEST_F(ShutCoupon, OpensAtItsBegin) {
  start_programs();
  const auto coupon = open_coupon(5, 1, {.begins_in_ms = 4000});
  EXPECT_EQ(json_field(claim(coupon, 1).body, "code"), "NOT_STARTED");
  ASSERT_TRUE(wait_until([&] {
    const auto answer = claim(coupon, 1);
    if (accepted(answer, 1)) return true;
    EXPECT_EQ(json_field(answer.body, "code"), "NOT_STARTED");
    return false;
  }));
  EXPECT_GE(told_.acknowledged.front().claim.entry.ms,
            redis_number({"HGET", redis::CouponKeys(coupon).coupon, "issueBeginTime"}));
  expect_all_settled();
}

}  // namespace
}  // namespace flashclaim
