// The reconciler beside what it cannot mend: one coupon never holds up the others, and one reconciler works at a time.
#include "engine/postgres/coupons.h"
#include "tests/harness/logins.h"
#include "tests/harness/witness.h"
#include "tests/integration/consumer_world.h"

namespace flashclaim::consumer {
namespace {

using harness::wait_until;

class ConsumerMends : public ConsumerTest {
 protected:
  void TearDown() override {
    ConsumerTest::TearDown();
    command({"ACL", "DELUSER", "half"});
  }
  /// A consumer that may only read the hash of coupon `forbidden`, and may do everything with `allowed`; {0} is of no
  /// coupon: by it a program asks whether its login may do its work.
  Options half(std::int64_t forbidden, std::int64_t allowed) {
    command({"ACL", "SETUSER", "half", "on", ">pw", "&*", "+@all", "~coupon:issuing", "~coupon:ready", "~*{0}*",
             "%R~prs:coupon:{" + std::to_string(forbidden) + "}", "~*{" + std::to_string(allowed) + "}*"});
    Options wanted = options();
    const auto login = wanted.redis_url.find("//") + 2;
    wanted.redis_url.replace(login, wanted.redis_url.find('@') - login, "half:pw");
    return wanted;
  }
  void suspect(std::int64_t id) { ASSERT_TRUE(redis::mark_suspect(redis(), id)); }
  void add_stock(std::int64_t id, int units) {
    command({"INCRBY", redis::CouponKeys(id).stock, std::to_string(units)});
  }
};

TEST_F(ConsumerMends, TheNextCouponThoughOneIsForbidden) {
  harness::announce_denial("NOPERM half");
  harness::announce_error("coupon_passed_by");
  const auto sick = coupon(10);
  const auto well = coupon(10);
  suspect(sick);
  suspect(well);
  add_stock(well, -5);
  start(half(sick, well));
  ASSERT_TRUE(wait_until([&] { return stock(well) == 10 && field(well, "suspect").empty(); }));
  EXPECT_TRUE(wait_until([&] { return metric("flashclaim_consumer_passed_by_total{reason=\"other\"}") > 0; }));
  EXPECT_EQ(metric("flashclaim_sick_coupons"), 1);
  EXPECT_EQ(field(sick, "suspect"), "1");
  command({"ACL", "SETUSER", "half", "~*"});
  EXPECT_TRUE(wait_until([&] { return field(sick, "suspect").empty(); }));
  EXPECT_TRUE(wait_until([&] { return metric("flashclaim_sick_coupons") == 0; }));
  expect_books_agree();
}

TEST_F(ConsumerMends, TheNextCouponThoughOneIsDamaged) {
  harness::announce_error("coupon_passed_by");
  const auto sick = coupon(10);
  const auto well = coupon(10);
  command({"SET", redis::CouponKeys(sick).stock, "many"});
  suspect(well);
  add_stock(well, 3);
  start();
  ASSERT_TRUE(wait_until([&] { return stock(well) == 10 && field(well, "suspect").empty(); }));
  EXPECT_TRUE(wait_until([&] { return metric("flashclaim_consumer_passed_by_total{reason=\"damaged\"}") > 0; }));
  EXPECT_EQ(metric("flashclaim_sick_coupons"), 1);
  command({"SET", redis::CouponKeys(sick).stock, "10"});
  EXPECT_TRUE(wait_until([&] { return metric("flashclaim_sick_coupons") == 0; }));
  expect_books_agree();
}

// A database that is busy for a moment is nobody's to mend: no error, no advice to rebuild (the witness looks).
TEST_F(ConsumerMends, WhatABusyDatabaseDidNotAnswer) {
  const auto sql = [this](const char* statement) {
    return harness::run_program("/usr/bin/psql", {"-qXAtc", statement, pg_url_}).out;
  };
  const auto id = coupon(10);
  suspect(id);
  add_stock(id, -5);
  harness::Process lock("/usr/bin/psql", {"-qXc",
                                          "BEGIN; LOCK TABLE user_coupon IN ACCESS EXCLUSIVE MODE; "
                                          "SELECT pg_sleep(600)",
                                          pg_url_});
  ASSERT_TRUE(wait_until([&] {
    return sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND "
               "relation = 'user_coupon'::regclass") == "1\n";
  }));
  Options hasty = options();
  hasty.pg_url +=
      (hasty.pg_url.find('?') == std::string::npos ? "?" : "&") + std::string("options=-c%20lock_timeout%3D200");
  start(hasty);
  EXPECT_TRUE(wait_until([&] { return metric("flashclaim_consumer_passed_by_total{reason=\"other\"}") > 0; }));
  sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' "
      "AND pid <> pg_backend_pid()");
  EXPECT_TRUE(wait_until([&] { return stock(id) == 10 && field(id, "suspect").empty(); }));
  EXPECT_EQ(metric("flashclaim_sick_coupons"), 0);
}

// What is in `coupon:issuing` no more: a clock that was ahead retired it, or the suspicion came after its end.
TEST_F(ConsumerMends, WhatAClockAheadRetired) {
  const auto id = coupon(10);
  const redis::CouponKeys keys(id);
  const auto end = field(id, "issueEndTime");
  command({"HSET", keys.coupon, "issueEndTime", "1795000000000"});  // the clock is past the end …
  const auto retired = redis::retire_coupon(redis(), id);
  ASSERT_TRUE(retired && *retired);
  command({"HSET", keys.coupon, "issueEndTime", end});  // … and is not any more
  ASSERT_EQ(field(id, "status"), "ended");
  start();
  EXPECT_TRUE(wait_until([&] { return field(id, "status") == "issuing"; }));
  const auto read = redis::ok(redis().command({"SISMEMBER", redis::kIssuing, std::to_string(id)}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->integer(), 1);
}

TEST_F(ConsumerMends, WhatBecameSuspectAfterItsEnd) {
  const auto id = coupon(10);
  const redis::CouponKeys keys(id);
  ASSERT_TRUE(postgres::operate_coupon(pg(), id, postgres::Operation::kEnd));
  command({"HSET", keys.coupon, "status", "ended", "version", "3"});
  const auto retired = redis::retire_coupon(redis(), id);
  ASSERT_TRUE(retired && *retired);
  add_stock(id, -5);
  suspect(id);
  start();
  EXPECT_TRUE(wait_until([&] { return stock(id) == 10 && field(id, "suspect").empty(); }));
}

// A cut that died between the database and Redis, and does not fit any more: the consumer's role changes no terms, so
// it is named, and stays the operator's.
TEST_F(ConsumerMends, TheNumbersThoughACutCannotBeTold) {
  harness::announce_error("coupon_passed_by");
  const auto id = coupon(10);
  const auto other = coupon(10);
  for (int user = 1; user <= 8; ++user) accept(id, {user});
  postgres::CouponChanges cut;
  cut.total = 5;
  ASSERT_TRUE(postgres::update_coupon(pg(), id, cut));  // 2 are left: it does not fit, and Redis never heard of it
  suspect(id);
  suspect(other);
  add_stock(id, -1);
  add_stock(other, -5);
  start();
  ASSERT_TRUE(wait_until([&] { return stock(other) == 10 && stock(id) == 2; }));
  EXPECT_TRUE(wait_until([&] { return metric("flashclaim_sick_coupons") == 1; }));
  const auto state = postgres::coupon_state(pg(), id);
  ASSERT_TRUE(state && state->has_value());
  EXPECT_EQ((*state)->target_total, 5) << "the reconciler takes nothing back";
  postgres::CouponChanges back;  // as the operator's `flashctl reconcile --fix` does
  back.total = 10;
  ASSERT_TRUE(postgres::update_coupon(pg(), id, back));
  EXPECT_TRUE(wait_until([&] { return metric("flashclaim_sick_coupons") == 0; }));
  EXPECT_TRUE(wait_until([&] { return field(id, "version") == std::to_string((*state)->version + 1); }));
}

// Nothing marks its coupon: the comparing in turn sees it twice, and tells Redis.
TEST_F(ConsumerMends, AnOperationThatDiedBeforeRedisHeardOfIt) {
  const auto paused = coupon(10);
  const auto cut = coupon(10);
  ASSERT_TRUE(postgres::operate_coupon(pg(), paused, postgres::Operation::kPause));
  postgres::CouponChanges fewer;
  fewer.total = 5;
  ASSERT_TRUE(postgres::update_coupon(pg(), cut, fewer));
  start();
  EXPECT_TRUE(wait_until([&] { return field(paused, "status") == "paused"; }));
  EXPECT_TRUE(wait_until([&] { return field(cut, "totalNum") == "5" && stock(cut) == 5; }));
  EXPECT_EQ(metric("flashclaim_sick_coupons"), 0);
}

TEST_F(ConsumerMends, InOneProcessAtATime) {
  const auto id = coupon(10);
  start();
  ASSERT_TRUE(wait_until([&] { return metric("flashclaim_consumer_reconciler") == 1; }));
  Options own = options();
  own.redis_url = harness::as("consumer", own.redis_url);
  own.amqp_url = harness::as("consumer", own.amqp_url);
  own.pg_url = harness::as("consumer", own.pg_url);
  auto second = Service::start(own, {"127.0.0.1", 0});
  ASSERT_TRUE(second);
  const auto chosen = [&] {
    return ("\n" + (*second)->metrics().text()).find("\nflashclaim_consumer_reconciler 1") != std::string::npos;
  };
  suspect(id);
  ASSERT_TRUE(wait_until([&] { return field(id, "suspect").empty(); }));
  EXPECT_FALSE(chosen());
  EXPECT_EQ((*second)->metrics().text().find("flashclaim_consumer_reconciles_total{"), std::string::npos);
  stop();  // its session ends, and the lock with it
  EXPECT_TRUE(wait_until(chosen));
  suspect(id);
  EXPECT_TRUE(wait_until([&] { return field(id, "suspect").empty(); }));
}

}  // namespace
}  // namespace flashclaim::consumer
