// Everything is lost in mid-sale, and a backup of PostgreSQL that was made while claims flowed brings the sale back.
#include <algorithm>

#include "tests/drills/drill.h"

namespace flashclaim {
namespace {

class Backup : public Drill {
 protected:
  /// Claims flow all the while. Returns those that were settled before it began.
  std::set<ClaimId> back_up(std::int64_t coupon, const harness::Crowd& clients) {
    EXPECT_TRUE(wait_until([&] { return counts(coupon).rows > 200; }));
    auto settled = decided(coupon);
    const auto accepted = clients.accepted();
    const auto dumped = harness::run_program("/usr/bin/pg_dump", {"-f", dump(), environment_.at("PG_URL")});
    EXPECT_EQ(dumped.exit_code, 0) << dumped.err;
    EXPECT_GT(clients.accepted(), accepted) << "no claim was accepted during the backup";
    const auto dumped_at_most = counts(coupon).rows;
    EXPECT_TRUE(wait_until([&] { return counts(coupon).rows > dumped_at_most + 400; }));
    return settled;
  }

  /// Redis comes back empty, PostgreSQL as it was at the backup. Returns what it then holds.
  std::set<ClaimId> restore(std::int64_t coupon) {
    redis_server().kill();
    destroy(redis_server());
    redis_server().start();
    use("PG_URL", postgres_server().fresh_database());
    // Without statistics PostgreSQL settles many times slower, until its autovacuum looks for the first time.
    const auto restored = harness::run_program(
        "/usr/bin/psql", {"-qX", "-v", "ON_ERROR_STOP=1", "-f", dump(), "-c", "ANALYZE", environment_.at("PG_URL")});
    EXPECT_EQ(restored.exit_code, 0) << restored.err;
    return decided(coupon);
  }

  static void expect_within(const std::set<ClaimId>& part, const std::set<ClaimId>& whole) {
    EXPECT_TRUE(std::includes(whole.begin(), whole.end(), part.begin(), part.end()));
  }

  /// Everything acknowledged is there but for `missing` claims, which are exactly those for which `may_miss` is true.
  void expect_missing_only(std::int64_t coupon, const std::function<bool(const ClaimId&)>& may_miss) {
    const auto kept = decided(coupon);
    EXPECT_EQ(missing_from(kept, [&](const ClaimId& claim) { return !may_miss(claim); }).size(), 0U);
    const auto missing = missing_from(kept, may_miss);
    const auto expected = missing_from({}, may_miss);
    EXPECT_EQ(missing, expected) << "a claim came back that no store can have known";
    EXPECT_GT(missing.size(), 200U);
    EXPECT_EQ(checked_.lost, static_cast<std::int64_t>(missing.size()));
    EXPECT_EQ(checked_.refused, 0);
  }

 private:
  static std::string dump() { return postgres_server().folder() + "/backup.sql"; }
};

// What is missing in the end: what was accepted before the loss and is not in the backup. Then the sale is sold out to
// the last unit.
TEST_F(Backup, OfPostgresIsAllThatARestoreNeeds) {
  start_programs();
  const auto coupon = open_coupon(10'000, 2);
  auto clients = crowd(coupon);
  const auto settled = back_up(coupon, clients);
  engine_->signal(SIGKILL);
  consumer_->signal(SIGKILL);
  const auto restored = restore(coupon);
  expect_within(settled, restored);
  use("AMQP_URL", rabbit_server().fresh_vhost());
  operate({"mq", "declare"});
  engine_ = engine_again();
  consumer_ = consumer();
  operate({"rebuild", "--yes"});
  EXPECT_TRUE(goes_on(clients));
  leave(clients);
  const auto after = fire(mixed_orders(coupon, 13'000, 1'000'000));
  EXPECT_EQ(after.tally.unexpected, 0) << after.tally.unexpected_example;
  said_.acknowledged.insert(said_.acknowledged.end(), after.acknowledged.begin(), after.acknowledged.end());
  judge(true);

  const auto old_epoch = restored.begin()->epoch;
  expect_missing_only(coupon,
                      [&](const ClaimId& claim) { return claim.epoch == old_epoch && !restored.contains(claim); });
  expect_within(restored, decided(coupon));
  EXPECT_EQ(counts(coupon).rows, 10'000);
}

// What is missing in the end: what was settled between the backup and the loss, for RabbitMQ had let go of it.
TEST_F(Backup, OfPostgresTakesInWhatRabbitStillHolds) {
  start_programs();
  const auto coupon = open_coupon(1'000'000, 2);
  auto clients = crowd(coupon);
  const auto settled = back_up(coupon, clients);
  EXPECT_EQ(consumer_->stop(), 0);
  EXPECT_TRUE(goes_on(clients));
  leave(clients);
  ASSERT_TRUE(wait_until([&] { return unmirrored(redis(), coupon).empty(); }));
  const auto settled_last = decided(coupon);
  engine_->signal(SIGKILL);
  const auto restored = restore(coupon);
  expect_within(settled, restored);
  engine_ = engine_again();
  consumer_ = consumer();
  auto later = crowd(coupon, 300, 2);
  operate({"rebuild", "--yes"});
  EXPECT_TRUE(goes_on(later));
  end(later, true);

  expect_missing_only(coupon,
                      [&](const ClaimId& claim) { return settled_last.contains(claim) && !restored.contains(claim); });
  expect_within(restored, decided(coupon));
}

}  // namespace
}  // namespace flashclaim
