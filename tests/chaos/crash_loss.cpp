// Redis loses its data and its functions while claims wait in RabbitMQ; the rebuild dies, is repeated, dies elsewhere,
// and is repeated until it ends.
#include <spdlog/fmt/fmt.h>

#include <array>
#include <set>
#include <utility>

#include "engine/amqp/topology.h"
#include "tests/chaos/crash_points.h"
#include "tests/chaos/crash_world.h"

namespace flashclaim::chaos {
namespace {

using Words = std::vector<std::string>;

/// Where the rebuild dies after one loss, and where its first repetition. Counts are cleared only where some were
/// loaded.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kDeaths = {{
    {"admin.rebuild.frozen", "admin.rebuild.epoch_raised"},
    {"admin.rebuild.drained", "admin.rebuild.begun"},
    {"admin.rebuild.users_loaded", "admin.rebuild.users_cleared"},
    {"admin.rebuild.stock_loaded", "admin.rebuild.opened"},
}};
constexpr std::int64_t kClaims = 20;  ///< before each loss

class CrashLoss : public CrashWorld {
 protected:
  void SetUp() override {
    CrashWorld::SetUp();
    engine_ = engine();
    coupon_ = open_coupon(1'000'000, 2);
  }
  /// Half of the claims are settled, half are in RabbitMQ only; then Redis knows nothing any more.
  void lose() {
    consumer_ = consumer();
    accept_next(kClaims / 2);
    EXPECT_TRUE(wait_until([&] { return counts(coupon_).rows == accepted_; }));
    EXPECT_EQ(consumer_->stop(), 0);
    accept_next(kClaims / 2);
    EXPECT_TRUE(wait_until([&] { return amqp().queue_depth(amqp::kQueue).value() >= kClaims / 2; }));
    redis_server().flush();
    EXPECT_EQ(redis_text({"FUNCTION", "FLUSH"}), "OK");
  }
  /// The rebuild waits for RabbitMQ, whose messages somebody takes only now, and dies at the point.
  void let_rebuild_die_at(std::string_view point, std::string_view queue_quiet) {
    harness::Environment armed = environment_;
    armed["FLASHCLAIM_CRASH"] = std::string(point) + ":1";
    harness::Process dying(programs_ + "flashctl", rebuild(queue_quiet), armed);
    if (!consumer_->running()) consumer_ = consumer();
    EXPECT_EQ(dying.wait(std::chrono::seconds(120)), 137) << point << ": " << dying.output();
  }
  [[nodiscard]] Words rebuild(std::string_view queue_quiet) const {
    return {"rebuild", std::to_string(coupon_), fmt::format("--queue-quiet={}", queue_quiet), "--yes"};
  }

  std::int64_t coupon_ = 0;
  std::int64_t accepted_ = 0;

 private:
  void accept_next(std::int64_t claims) {
    for (std::int64_t i = 0; i < claims; ++i) accept(coupon_, 1 + ++accepted_ % 100);
  }
};

TEST_F(CrashLoss, RebuildLosesNothingThatWasMirroredWhereverItDies) {
  std::set<std::string_view> points;
  for (int turn = 0; turn < crashes_wanted(1) && !HasFailure(); ++turn) {
    for (const auto& [first, second] : kDeaths) {
      if (HasFailure()) return;
      lose();
      let_rebuild_die_at(first, "2");
      let_rebuild_die_at(second, "1");
      flashctl(rebuild("1"));
      EXPECT_EQ(counts(coupon_).rows, accepted_) << "after deaths at " << first << " and " << second;
      points.insert({first, second});
    }
  }
  EXPECT_EQ(points, std::set(kRebuildPoints.begin(), kRebuildPoints.end()));
  const auto report = judge();
  EXPECT_EQ(report.settled, accepted_);
  EXPECT_EQ(report.refused, 0);
}

}  // namespace
}  // namespace flashclaim::chaos
