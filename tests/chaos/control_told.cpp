// Negative controls of what a user is told: "sold out" of a stock that is lost or was refilled, "limit reached" to whom
// nothing was given.
#include "tests/chaos/control_world.h"

namespace flashclaim::chaos {
namespace {

class ControlTold : public Control {
 protected:
  void start(std::int64_t total, std::int64_t claims) {
    without("");
    engine_ = engine({"--threads=1"});
    coupon_ = open_coupon(total, 1);
    accept_some(coupon_, static_cast<int>(claims));
  }
  /// The code of a claim's answer, which is remembered; "" when it was accepted.
  std::string ask(std::int64_t user, std::int64_t total_in_force = 0) {
    using Kind = operations::ReportedRefusal::Kind;
    const auto answer = claim(coupon_, user);
    if (accepted(answer, user)) return "";
    const std::string code = json_field(answer.body, "code");
    if (code == "SOLD_OUT") told_.told.push_back({coupon_, user, Kind::kSoldOut, total_in_force});
    if (code == "LIMIT_REACHED") told_.told.push_back({coupon_, user, Kind::kLimitReached});
    return code;
  }
  /// Returns when no refusal from before may be repeated any more.
  void restock(std::int64_t total) {
    flashctl({"coupon", "update", std::to_string(coupon_), "--total=" + std::to_string(total), "--yes"});
    const auto forgotten = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    EXPECT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() > forgotten; }));
  }

  std::int64_t coupon_ = 0;
};

TEST_P(ControlTold, AMissingStockIsNotSoldOut) {
  without_lua("  if not stock then\n    return 'NOT_READY'\n  elseif status == 'paused' then\n",
              "  stock = stock or 0\n  if status == 'paused' then\n");
  start(100, 3);
  consume_everything(coupon_);
  EXPECT_EQ(redis_number({"DEL", redis::CouponKeys(coupon_).stock}), 1);
  EXPECT_EQ(ask(50), removed() ? "SOLD_OUT" : "NOT_READY");
  flashctl({"rebuild", std::to_string(coupon_), "--queue-quiet=0", "--yes"});
  EXPECT_EQ(ask(51), "");
  consume_everything(coupon_);
  verdict(5, "1 users were told SOLD_OUT, but only 6 of 100 were ever accepted");
}

TEST_P(ControlTold, ARefusalIsForgottenInTime) {
  without_lua("local SHUT_MS = 100 ", "local SHUT_MS = 600000 ");
  start(3, 3);
  for (std::int64_t user = 50; user < 90; ++user) EXPECT_EQ(ask(user), "SOLD_OUT");
  restock(10);
  EXPECT_EQ(ask(99, 10), removed() ? "SOLD_OUT" : "");
  consume_everything(coupon_);
  verdict(5, "1 users were told SOLD_OUT, but only 4 of 10 were ever accepted");
}

/// The seed counted a user before it looked at the stock.
TEST_P(ControlTold, ARefusalCountsNoUser) {
  without_lua("  if accepted == 0 then\n",
              "  if accepted == 0 then\n"
              "    for i = 1, #users do redis.call('MSET', user_key(coupon_key, users[i]), '1') end\n");
  start(3, 3);
  EXPECT_EQ(ask(50), "SOLD_OUT");
  restock(10);
  EXPECT_EQ(ask(50), removed() ? "LIMIT_REACHED" : "");
  consume_everything(coupon_);
  verdict(5, "1 users were told LIMIT_REACHED below their limit of 1: user 50");
}

FLASHCLAIM_CONTROL(ControlTold);

}  // namespace
}  // namespace flashclaim::chaos
