// Negative controls of the repairs: reconcile by counts that overlap, a rebuild without a new epoch.
#include "engine/operations/rebuild.h"
#include "tests/chaos/control_world.h"

namespace flashclaim::chaos {
namespace {

class ControlRepair : public Control {};

/// Claims that have their row and still their entry are counted once.
TEST_P(ControlRepair, ReconcileCountsNoClaimTwice) {
  without_sql(
      "reconcile_rows",
      {{"           - (SELECT count(*) FROM flying_entries(p_ms, p_seq) f JOIN user_coupon u\n"
        "                ON u.coupon_id = c.id AND u.epoch = p_epoch AND u.entry_ms = f.ms AND u.entry_seq = f.seq\n"
        "              WHERE (f.ms, f.seq) <= (p_last_ms, p_last_seq)),",
        ","}});
  without("");
  const auto coupon = mirrored(10);
  let_consumer_die_at("consumer.settle.answered");
  flashctl({"reconcile", std::to_string(coupon), "--fix", "--yes"});
  consume_everything(coupon);
  verdict(4, "the total is 100");
}

/// Redis lost its data while claims wait in RabbitMQ: what settles them after the rebuild has counted must be refused.
TEST_P(ControlRepair, RebuildRaisesTheEpoch) {
  without_sql("begin_rebuild", {{"SET epoch = c.epoch + 1, version", "SET epoch = c.epoch, version"}});
  sql("ALTER FUNCTION begin_rebuild(bigint) SECURITY DEFINER SET search_path = public, pg_temp");  // as 0008 has it
  without("", "consumer.reconciler");
  const auto coupon = mirrored(20);
  redis_server().flush();
  const auto rebuilt = operations::rebuild_coupon(admin_redis(), admin_pg(), coupon, {});
  ASSERT_TRUE(rebuilt && rebuilt->outcome == operations::RebuildOutcome::kOpen)
      << (rebuilt ? operations::word(rebuilt->outcome) : rebuilt.error().message);
  ASSERT_TRUE(operations::mark_ready_if_complete(admin_redis(), admin_pg()).value());
  consume_everything(coupon);
  verdict(4, "the total is 100");
}

FLASHCLAIM_CONTROL(ControlRepair);

}  // namespace
}  // namespace flashclaim::chaos
