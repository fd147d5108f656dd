// The seed document's rows on monitoring and logs: what somebody on duty sees while the sale runs.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

class SeedWatch : public WholePath {
 protected:
  /// The value of one line of /metrics; -1 when it is not there.
  static double metric(int admin_port, const std::string& name) {
    const std::string text = "\n" + harness::raw_request(admin_port, "GET", "/metrics").body;
    const auto at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::strtod(text.c_str() + at + name.size() + 2, nullptr);
  }
  double answered(const std::string& answer) const {
    return metric(admin_port_, "flashclaim_claims_total{answer=\"" + answer + "\"}");
  }
  double queued() const {
    return metric(consumer_admin_port_, R"(flashclaim_queue_messages{queue="promotion.coupon.receive.queue"})");
  }
};

TEST_F(SeedWatch, TheBacklogOfTheQueueAndOfTheStreamIsSeen) {
  engine_ = engine();
  consumer_ = consumer({"--workers=1", "--prefetch=1"});
  const auto coupon = open_coupon(10, 1);
  postgres_server().stop();
  for (std::int64_t user = 1; user <= 6; ++user) ASSERT_EQ(claim(coupon, user).status, 202);
  EXPECT_TRUE(wait_until([&] { return queued() == 5; })) << "one is with the consumer, which waits for PostgreSQL";
  EXPECT_TRUE(wait_until([&] { return metric(admin_port_, "flashclaim_mirror_unfinished_entries") == 6; }));
  postgres_server().start();
  EXPECT_TRUE(wait_until([&] { return queued() == 0; }));
  await_rest();
  EXPECT_TRUE(wait_until([&] { return metric(admin_port_, "flashclaim_mirror_unfinished_entries") == 0; }));
  expect_invariants();
}

TEST_F(SeedWatch, TheDifferenceBetweenRedisAndTheDatabaseIsSeenBeforeAnybodyClaims) {
  consumer_ = consumer();
  const auto coupon = open_coupon(10, 1);
  const std::string drift = "flashclaim_coupon_drift{coupon=\"" + std::to_string(coupon) + "\",of=\"stock\"}";
  EXPECT_TRUE(wait_until([&] { return metric(consumer_admin_port_, drift) == 0; }));
  redis_number({"INCRBY", redis::CouponKeys(coupon).stock, "3"});
  EXPECT_TRUE(wait_until([&] { return metric(consumer_admin_port_, drift) == 3; }));
  EXPECT_NE(consumer_->output().find("event=coupon_compared"), std::string::npos);
  redis_number({"DECRBY", redis::CouponKeys(coupon).stock, "3"});
  EXPECT_TRUE(wait_until([&] { return metric(consumer_admin_port_, drift) == 0; }));
  expect_invariants();
}

TEST_F(SeedWatch, TheRateOfSuccessIsSeenByReason) {
  start_programs();
  const auto coupon = open_coupon(5, 1);
  for (std::int64_t user = 1; user <= 7; ++user) claim(coupon, user);
  claim(coupon, 1);
  claim(coupon + 1, 1);
  EXPECT_EQ(answered("ACCEPTED"), 5);
  EXPECT_EQ(answered("SOLD_OUT") + answered("LIMIT_REACHED"), 3);
  EXPECT_EQ(answered("COUPON_NOT_FOUND"), 1);
  await_rest();
  EXPECT_EQ(metric(consumer_admin_port_, R"(flashclaim_consumer_claims_total{outcome="settled"})"), 5);
  expect_invariants();
}

TEST_F(SeedWatch, TheTurningPointsAreLoggedWithTheirCoupon) {
  start_programs();
  const auto coupon = open_coupon(2, 1);
  redis_number({"INCRBY", redis::CouponKeys(coupon).stock, "1"});  // a damaged cache: one claim too many
  for (std::int64_t user = 1; user <= 3; ++user) ASSERT_EQ(claim(coupon, user).status, 202);
  await_rest();
  const std::string of_coupon = "coupon=" + std::to_string(coupon);
  const auto logged = [&](const harness::Process& program, const std::string& event) {
    const std::string text = program.output();
    const auto at = text.find("event=" + event);
    return at != std::string::npos && text.substr(at, text.find('\n', at) - at).find(of_coupon) != std::string::npos;
  };
  EXPECT_TRUE(wait_until([&] { return logged(*consumer_, "coupon_mended"); })) << consumer_->output();
  EXPECT_NE(engine_->output().find("event=listening"), std::string::npos);
  EXPECT_NE(consumer_->output().find("event=subscribed"), std::string::npos);
  EXPECT_EQ(engine_->stop(), 0);
  EXPECT_NE(engine_->output().find("event=phase"), std::string::npos);
  EXPECT_EQ(counts(coupon).rejections, 1);
  expect_invariants();
}

}  // namespace
}  // namespace flashclaim
