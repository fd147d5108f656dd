// A consumer that meets faulty messages, and flashctl with the dead letters of it, die at every point of that work,
// while a second consumer shares it and a crowd claims another coupon.
#include <spdlog/fmt/fmt.h>

#include <chrono>

#include "engine/amqp/topology.h"
#include "engine/mirror/message.h"
#include "tests/chaos/crash_points.h"
#include "tests/chaos/crash_world.h"
#include "tests/harness/witness.h"

namespace flashclaim::chaos {
namespace {

using Words = std::vector<std::string>;

constexpr std::int64_t kPoisonedFrom = 1'000'000;  ///< users whose rows the database does not take
constexpr int kPoisoned = 8;

class CrashFaults : public CrashWorld {
 protected:
  void SetUp() override {
    CrashWorld::SetUp();
    harness::announce_error("dead_lettered");
    poison_users_from(kPoisonedFrom);
    open_coupon(10'000'000, 1'000'000);
    start_survivors();
    start_crowd(200);
    coupon_ = open_coupon(1'000, 1);  // the crowd does not know it
    for (int i = 0; i < kPoisoned; ++i) claim_poisoned();
  }

  void claim_poisoned() {
    const std::int64_t user = kPoisonedFrom + static_cast<std::int64_t>(poisoned_.size());
    const ClaimId id = accept(coupon_, user);
    poisoned_.push_back({coupon_, id.epoch, id.entry, {user}});
  }

  /// Keeps the consumers busy with the attempts that lead to the point, but not with more than they can lose.
  void feed(const std::string& point) {
    const auto now = std::chrono::steady_clock::now();
    if (now - fed_at_ < std::chrono::milliseconds(200) || amqp().queue_depth(amqp::kQueue).value() > 0) return;
    fed_at_ = now;
    deliver(poisoned_, point.find(".retry.") == std::string::npos ? 3 : 0);
  }
  std::int64_t marked() { return redis_number({"SCARD", redis::CouponKeys(coupon_).dead}); }
  /// Until every poisoned entry that is not finished is marked and in the DLQ.
  void make_dead() {
    drop_copies();
    deliver(poisoned_, 3);
    EXPECT_TRUE(wait_until([&] {
      return amqp().queue_depth(amqp::kQueue).value() == 0 && amqp().queue_depth(amqp::kDeadLetterQueue).value() > 0 &&
             marked() == redis_number({"XLEN", redis::CouponKeys(coupon_).claims});
    }));
  }
  /// Every scene adds copies of all entries to the queues; hundreds of them only cost time. Their entries stay marked.
  void drop_copies(std::int64_t beyond = 100) {
    std::vector<std::string> queues{std::string(amqp::kDeadLetterQueue)};
    for (const auto delay : amqp::kRetryDelaysMs) queues.push_back(amqp::retry_queue(delay));
    for (const std::string& queue : queues) {
      if (amqp().queue_depth(queue).value() > beyond) {
        EXPECT_TRUE(amqp().purge_queue(queue));
      }
    }
  }
  /// One letter for each entry that is left, whatever copies the scenes have lost; then the database takes the rows.
  void heal() {
    drop_copies(0);
    deliver(poisoned_, 3);
    EXPECT_TRUE(wait_until([&] { return amqp().queue_depth(amqp::kDeadLetterQueue).value() >= kPoisoned; }));
    EXPECT_EQ(marked(), kPoisoned);
    sql("DROP TRIGGER poison ON user_coupon");
    EXPECT_TRUE(wait_until([&] {
      for (const auto delay : amqp::kRetryDelaysMs)
        if (amqp().queue_depth(amqp::retry_queue(delay)).value() != 0) return false;
      return amqp().queue_depth(amqp::kQueue).value() == 0;
    })) << "the retry queues do not empty";
    flashctl({"dlq", "replay"});
  }
  Words replay_all() {
    make_dead();
    return {"dlq", "replay"};
  }
  /// One more entry, which is given up; its unit goes back once, whatever dies on the way.
  Words reject_one() {
    claim_poisoned();
    make_dead();
    ++rejected_;
    return {"dlq", "reject", "--yes", "--entry=" + poisoned_.back().entry.text()};
  }

  std::int64_t coupon_ = 0;
  std::chrono::steady_clock::time_point fed_at_{};
  int rejected_ = 0;
  std::vector<mirror::EntryMessage> poisoned_;
};

TEST_F(CrashFaults, FaultyMessagesAndDeadLettersKeepTheirUnits) {
  const int times = crashes_wanted(2);
  CrashVictim consumer = consumer_victim(kFaultPoints, times);
  CrashVictim* const victims[] = {&consumer};
  let_die(victims, [&] { feed(consumer.point()); });
  for (const auto& [point, count] : consumer.hits()) fmt::print("  {:28} {}\n", point, count);
  for (const auto point : kReplayPoints) crash_flashctl(point, times, [&] { return replay_all(); });
  for (const auto point : kRejectPoints) crash_flashctl(point, times, [&] { return reject_one(); });
  heal();
  const auto report = judge();
  EXPECT_EQ(report.dead, 0);
  EXPECT_EQ(report.refused, rejected_);
  EXPECT_EQ(counts(coupon_).rows, kPoisoned);
  EXPECT_GT(report.settled, kPoisoned) << "no crowd was served meanwhile";
}

}  // namespace
}  // namespace flashclaim::chaos
