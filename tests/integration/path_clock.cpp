// Redis' clock, which judges every window, goes ahead and comes back: what was closed by it opens again.
#include <gtest/gtest.h>

#include "engine/base/assets.h"
#include "engine/operations/rebuild.h"
#include "engine/redis/functions.h"
#include "engine/redis/keys.h"
#include "engine/redis/library.h"
#include "tests/harness/shifted_clock.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

class ClockPath : public WholePath {
 protected:
  void SetUp() override {
    WholePath::SetUp();
    server_ = std::make_unique<harness::PrivateRedis>(clock_.setup());
    use("REDIS_URL", server_->url());
    ASSERT_TRUE(redis::load_library(admin_redis(), kLuaLibrary));
    ASSERT_TRUE(redis::mark_ready(admin_redis()));
  }
  void TearDown() override {
    WholePath::TearDown();
    server_.reset();
  }
  std::string status(std::int64_t coupon) { return redis_text({"HGET", redis::CouponKeys(coupon).coupon, "status"}); }

  harness::ShiftedClock clock_;
  std::unique_ptr<harness::PrivateRedis> server_;
};

TEST_F(ClockPath, ACouponThatAClockAheadRetiredOpensAgain) {
  start_programs();
  const auto coupon = open_coupon(10, 1, {.ends_in_ms = kHourMs / 2});
  accept(coupon, 1, 1);
  await_rest();
  clock_.ahead_by(kHourMs);
  ASSERT_TRUE(wait_until([&] { return status(coupon) == "ended"; }));
  EXPECT_EQ(json_field(claim(coupon, 2).body, "code"), "ENDED");
  clock_.ahead_by(0);
  EXPECT_TRUE(wait_until([&] { return accepted(claim(coupon, 2), 2); }));
  await_rest();
  expect_invariants(told_);
}

}  // namespace
}  // namespace flashclaim
