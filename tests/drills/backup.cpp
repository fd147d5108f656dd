// Everything is lost, and a backup of PostgreSQL brings the sale back to the moment when it was made.
#include "engine/amqp/topology.h"
#include "tests/drills/drill.h"

namespace flashclaim {
namespace {

class Backup : public Drill {};

TEST_F(Backup, OfPostgresIsAllThatARestoreNeeds) {
  start_programs();
  const auto coupon = open_coupon(1'000, 2);
  auto before = fire(mixed_orders(coupon, 400, 200));
  await_rest();
  const auto kept = counts(coupon).rows;
  const std::string dump = postgres_server().folder() + "/backup.sql";
  ASSERT_EQ(harness::run_program("/usr/bin/pg_dump", {"-f", dump, environment_.at("PG_URL")}).exit_code, 0);
  fire(mixed_orders(coupon, 300, 150));  // what comes after a backup is what its restore costs
  await_rest();
  EXPECT_GT(counts(coupon).rows, kept);

  EXPECT_EQ(engine_->stop(), 0);
  EXPECT_EQ(consumer_->stop(), 0);
  use("PG_URL", postgres_server().fresh_database());
  const auto restored =
      harness::run_program("/usr/bin/psql", {"-qX", "-v", "ON_ERROR_STOP=1", "-f", dump, environment_.at("PG_URL")});
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  redis_server().flush();
  ASSERT_TRUE(amqp().purge_queue(amqp::kQueue));
  start_programs();
  operate({"rebuild", "--yes"});
  EXPECT_EQ(counts(coupon).rows, kept);
  EXPECT_EQ(redis_number({"GET", redis::CouponKeys(coupon).stock}), 1'000 - kept);
  const auto after = fire(mixed_orders(coupon, 2'000, 600));
  await_rest();
  EXPECT_EQ(counts(coupon).rows, kept + static_cast<std::int64_t>(after.acknowledged.size()));
  admin::CheckOptions told;
  told.acknowledged = before.acknowledged;
  told.acknowledged.insert(told.acknowledged.end(), after.acknowledged.begin(), after.acknowledged.end());
  expect_invariants(told);
}

}  // namespace
}  // namespace flashclaim
