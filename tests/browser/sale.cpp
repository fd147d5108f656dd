// The sale page in headless Chromium against the real stack; what the page does is in sale.mjs.
#include <cstdlib>

#include "tests/browser/world.h"

namespace flashclaim {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

class SalePage : public BrowserWorld {
 protected:
  void play(const std::string& scenario, std::int64_t coupon) {
    harness::Environment environment{{"COUPON", std::to_string(coupon)}};
    if (const char* shots = std::getenv("SHOTS")) environment["SHOTS"] = shots;
    node("sale.mjs", {scenario}, environment);
  }
  void expect_settled(std::int64_t coupon, std::int64_t rows) {
    await_rest();
    EXPECT_EQ(counts(coupon).rows, rows);
    expect_invariants();
  }
};

TEST_F(SalePage, ClaimsByKeyboardAndFollowsToTheEnd) {
  const auto id = coupon(10, -1000, kHourMs);
  play("claim", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, TakesADoubleClickForOne) {
  const auto id = coupon(10, -1000, kHourMs);
  play("doubleClick", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, AsksAgainWithTheSameKeyWhenTheAnswerIsLost) {
  const auto id = coupon(10, -1000, kHourMs);
  play("lostAnswer", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, SaysThatItIsSoldOut) {
  const auto id = coupon(1, -1000, kHourMs);
  ASSERT_EQ(claim(id, 7).status, 202);
  play("soldOut", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, KnowsWhatTheUserHasAlready) {
  const auto id = coupon(10, -1000, kHourMs);
  ASSERT_EQ(claim(id, 7).status, 202);
  play("limit", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, OpensOnTheServersClockWithoutAReload) {
  const auto id = coupon(10, 30'000, kHourMs);
  play("opens", id);
  expect_settled(id, 1);
}

}  // namespace
}  // namespace flashclaim
