// Negative controls of the database: its unique keys, its locks, what it takes for the same claim.
#include <spdlog/fmt/fmt.h>

#include "engine/amqp/topology.h"
#include "tests/chaos/control_world.h"

namespace flashclaim::chaos {
namespace {

constexpr std::string_view kLocks =
    "PERFORM pg_advisory_xact_lock(1179402567, stripe) FROM claim_stripes(p_coupon, p_ms, p_seq, p_user) AS stripe;";

class ControlSql : public Control {
 protected:
  void drop_unique_keys() {
    sql("ALTER TABLE user_coupon DROP CONSTRAINT user_coupon_claim_key, DROP CONSTRAINT user_coupon_ordinal_key");
    // The quick way rests on these keys alone.
    always_without_sql("settle_fresh", {{"  IF v_single THEN", "  RETURN false;\n  IF v_single THEN"}});
  }
  /// Five claims wait in the queue.
  void five_claims_wait() {
    engine_ = engine();
    coupon_ = open_coupon(100, 5);
    accept_some(coupon_, 5);
    await_mirror(coupon_);
  }
  /// settle_claims of all entries, as two consumers with copies of the same messages would ask it: the second asks
  /// while the first has judged and written, and has not committed.
  void settle_twice_at_once() {
    sql("CREATE TABLE go ()");
    harness::Process first = settler(
        "BEGIN; {}; SELECT pg_advisory_lock(4242); DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM go) "
        "LOOP PERFORM pg_sleep(0.01); END LOOP; END $$; COMMIT;");
    await("SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242");
    harness::Process second = settler("{};");
    await("SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()");
    sql("INSERT INTO go DEFAULT VALUES");
    EXPECT_EQ(first.wait(), 0) << first.output();
    second.wait();  // with the unique keys and without the locks it is refused
  }

  std::int64_t coupon_ = 0;

 private:
  harness::Process settler(fmt::format_string<const std::string&> script) {
    std::string lists[6];
    for (const auto& entry : entries(coupon_)) {
      const std::string values[] = {std::to_string(coupon_),
                                    std::to_string(entry.epoch),
                                    std::to_string(entry.entry.ms),
                                    std::to_string(entry.entry.seq),
                                    "0",
                                    std::to_string(entry.users.at(0))};
      for (int i = 0; i < 6; ++i) lists[i] += (lists[i].empty() ? "" : ",") + values[i];
    }
    const std::string call =
        fmt::format("SELECT * FROM settle_claims('{{{}}}','{{{}}}','{{{}}}','{{{}}}','{{{}}}','{{{}}}')", lists[0],
                    lists[1], lists[2], lists[3], lists[4], lists[5]);
    return harness::Process("/usr/bin/psql", {"-qXAt", "-v", "ON_ERROR_STOP=1", "-c", fmt::format(script, call),
                                              environment_.at("PG_URL")});
  }
  void await(const std::string& condition) {
    EXPECT_TRUE(wait_until([&] {
      return harness::run_program("/usr/bin/psql", {"-qXAt", "-c", condition, environment_.at("PG_URL")}).out == "t\n";
    })) << condition;
  }
};

/// The last line of defence, for once without the locks before it.
TEST_P(ControlSql, KeepsAClaimUnique) {
  always_without_sql("settle_claims", {{kLocks, ""}});
  if (removed()) drop_unique_keys();
  without("");
  five_claims_wait();
  settle_twice_at_once();
  consume_everything(coupon_);
  verdict(3, "claims have two outcomes");
}

/// A statement's snapshot is older than its wait for a lock.
TEST_P(ControlSql, LocksInAStatementOfItsOwn) {
  drop_unique_keys();
  without_sql("settle_claims",
              {{kLocks, ""},
               {"SELECT * INTO v_judged FROM judge_claims(p_coupon, p_epoch, p_ms, p_seq, p_index, p_user, p_mode)",
                "SELECT judged.* INTO v_judged FROM (SELECT count(pg_advisory_xact_lock(1179402567, stripe)) FROM "
                "claim_stripes(p_coupon, p_ms, p_seq, p_user) AS stripe) AS locked, judge_claims(p_coupon, p_epoch, "
                "p_ms, p_seq, p_index, p_user, p_mode) AS judged"}});
  without("");
  five_claims_wait();
  settle_twice_at_once();
  consume_everything(coupon_);
  verdict(3, "claims have two outcomes");
}

TEST_P(ControlSql, MakesCopiesInABatchDistinct) {
  drop_unique_keys();
  without_sql("judge_claims",
              {{"first_value(n) OVER (PARTITION BY coupon, ms, seq, idx, epoch ORDER BY n) AS lead", "n AS lead"}});
  without("");
  five_claims_wait();
  ASSERT_TRUE(amqp().purge_queue(amqp::kQueue));
  for (const auto& entry : entries(coupon_)) {
    const mirror::EntryMessage copies[] = {entry, entry};
    deliver(copies, 0);
  }
  consume_everything(coupon_);
  verdict(3, "claims have two outcomes");
}

FLASHCLAIM_CONTROL(ControlSql);

}  // namespace
}  // namespace flashclaim::chaos
