// A service that an operator restarts in good order, in the middle of a sale.
#include <sstream>

#include "engine/amqp/topology.h"
#include "tests/drills/drill.h"

namespace flashclaim {
namespace {

class Restart : public Drill {
 protected:
  /// Messages that the consumer has sent to a retry queue, as its metrics say.
  [[nodiscard]] std::int64_t retries() const {
    std::istringstream lines(harness::raw_request(consumer_admin_port_, "GET", "/metrics").body);
    std::int64_t sum = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("flashclaim_consumer_retries_total")) sum += std::stoll(line.substr(line.rfind(' ') + 1));
    }
    return sum;
  }
};

TEST_F(Restart, OfPostgresInGoodOrderHoldsTheClaimsAndSettlesEachOnce) {
  start_programs();
  const auto coupon = open_coupon(1'000'000, 2);
  auto clients = crowd(coupon);
  for (int times = 0; times < 2; ++times) {
    const auto rows = counts(coupon).rows;
    ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > rows + 200; }));
    postgres_server().stop();
    EXPECT_TRUE(goes_on(clients)) << "claims are accepted meanwhile";
    EXPECT_TRUE(wait_until([&] { return harness::raw_request(consumer_admin_port_, "GET", "/readyz").status == 503; }));
    EXPECT_GT(redis_number({"XLEN", redis::CouponKeys(coupon).claims}), 100) << "and held";
    postgres_server().start();
  }
  end(clients);
  EXPECT_EQ(checked_.settled, static_cast<std::int64_t>(said_.acknowledged.size()));
  EXPECT_EQ(checked_.refused, 0);
  EXPECT_EQ(retries(), 0) << "an absent database is no fault of a message";
  EXPECT_EQ(checked_.dead, 0);
  EXPECT_EQ(amqp().queue_depth(amqp::kDeadLetterQueue).value(), 0);
}

}  // namespace
}  // namespace flashclaim
