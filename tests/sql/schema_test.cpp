// The named constraints: the last line of every invariant, each seen to fire by its name; and sql/schema.sql.
#include <fstream>
#include <iterator>

#include "tests/harness/paths.h"
#include "tests/harness/services.h"
#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

class Schema : public SqlTest {
 protected:
  /// The constraint that refuses `sql`.
  std::string constraint(const std::string& sql) {
    const SqlError error = refused(session(), sql);
    EXPECT_EQ(error.fault, SqlFault::kData) << error.message;
    const auto end = error.message.rfind('"'), begin = error.message.rfind('"', end - 1);
    return end == std::string::npos ? error.message : error.message.substr(begin + 1, end - begin - 1);
  }
  std::string update(std::int64_t id, const std::string& set) {
    return constraint("UPDATE coupon SET " + set + " WHERE id = " + std::to_string(id));
  }
};

TEST_F(Schema, ACouponStaysWithinItsLimits) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(update(id, "id = 0"), "coupon_id_positive");
  EXPECT_EQ(update(id, "name = ''"), "coupon_name_1_to_200");
  EXPECT_EQ(update(id, "name = repeat('x', 201)"), "coupon_name_1_to_200");
  EXPECT_EQ(update(id, "status = 'open'"), "coupon_status_known");
  EXPECT_EQ(update(id, "issue_end_time = issue_begin_time"), "coupon_window_in_order");
  EXPECT_EQ(update(id, "issue_begin_time = to_timestamp(1795380)"), "coupon_window_not_in_seconds");
  EXPECT_EQ(update(id, "total_num = 0, target_total = 0"), "coupon_target_at_most_total");
  EXPECT_EQ(update(id, "total_num = 1000000000001"), "coupon_total_1_to_10e12");
  EXPECT_EQ(update(id, "target_total = 11"), "coupon_target_at_most_total");
  EXPECT_EQ(update(id, "issue_num = 11"), "coupon_never_oversold");
  EXPECT_EQ(update(id, "issue_num = -1"), "coupon_never_oversold");
  EXPECT_EQ(update(id, "user_limit = 0"), "coupon_user_limit_1_to_10e6");
  EXPECT_EQ(update(id, "max_inflight = 0"), "coupon_max_inflight_positive");
  EXPECT_EQ(update(id, "epoch = 0"), "coupon_epoch_positive");
  EXPECT_EQ(update(id, "publish_version = 3"), "coupon_versions_in_order");
  EXPECT_EQ(constraint("INSERT INTO coupon SELECT * FROM coupon WHERE id = " + std::to_string(id)), "coupon_pkey");
}

TEST_F(Schema, AClaimHasOneRowAndAUserEveryOrdinalOnce) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(settle({claim(id, 7, 1000)}), Words{"settled*"});
  const auto row = [&](const std::string& user, const std::string& ms, const std::string& ordinal,
                       const std::string& epoch = "1", const std::string& index = "0",
                       const std::string& status = "received") {
    return constraint(
        "INSERT INTO user_coupon (coupon_id, user_id, entry_ms, entry_seq, claimed_at, settled_at, epoch, "
        "entry_index, ordinal, status) VALUES (" +
        std::to_string(id) + "," + user + "," + ms + ",0,now(),now()," + epoch + "," + index + "," + ordinal + ",'" +
        status + "')");
  };
  EXPECT_EQ(row("8", "1000", "1"), "user_coupon_claim_key");
  EXPECT_EQ(row("7", "1001", "1"), "user_coupon_ordinal_key");
  EXPECT_EQ(row("0", "1001", "1"), "user_coupon_ids_positive");
  EXPECT_EQ(row("8", "1001", "1", "0"), "user_coupon_ids_positive");
  EXPECT_EQ(row("8", "-1", "1"), "user_coupon_entry_not_negative");
  EXPECT_EQ(row("8", "1001", "1", "1", "-1"), "user_coupon_entry_not_negative");
  EXPECT_EQ(row("8", "1001", "0"), "user_coupon_ordinal_from_1");
  EXPECT_EQ(row("8", "1001", "1", "1", "0", "used"), "user_coupon_status_known");
}

TEST_F(Schema, ARefusalHasOneKnownReason) {
  const auto id = coupon(1, 1);
  EXPECT_EQ(settle({claim(id, 7, 1000), claim(id, 8, 1001)}), (Words{"settled*", "out_of_stock*"}));
  const auto row = [&](const std::string& user, const std::string& ms, const std::string& reason) {
    return constraint("INSERT INTO claim_rejection VALUES (" + std::to_string(id) + "," + user + "," + ms +
                      ",0,now(),1,0,'" + reason + "')");
  };
  EXPECT_EQ(row("9", "1001", "rejected"), "claim_rejection_claim_key");
  EXPECT_EQ(row("-9", "1002", "rejected"), "claim_rejection_ids_positive");
  EXPECT_EQ(row("9", "-1", "rejected"), "claim_rejection_entry_not_negative");
  EXPECT_EQ(row("9", "1002", "settled"), "claim_rejection_reason_known");
}

TEST_F(Schema, EventsAndLedgerAreGuarded) {
  const auto id = coupon(1, 1);
  const std::string event = "INSERT INTO coupon_event (coupon_id, version, operation, state) SELECT ";
  const std::string from = ", s FROM coupon_state s WHERE s.id = " + std::to_string(id);
  EXPECT_EQ(constraint(event + "id, version, 'update'" + from), "coupon_event_pkey");
  EXPECT_EQ(constraint(event + "id, 9, 'dance'" + from), "coupon_event_operation_known");
  EXPECT_EQ(constraint(event + "9000000000000000000, 1, 'update'" + from), "coupon_event_coupon_fkey");
  EXPECT_EQ(constraint("INSERT INTO schema_migration VALUES (0, 'x', repeat('a', 64))"),
            "schema_migration_number_from_1");
  EXPECT_EQ(constraint("INSERT INTO schema_migration VALUES (999, 'x', 'ABC')"), "schema_migration_sha256_hex");
  EXPECT_EQ(constraint("INSERT INTO schema_migration VALUES (1, 'x', repeat('a', 64))"), "schema_migration_pkey");
}

TEST_F(Schema, EveryConstraintOfTheTablesIsNamedByUs) {
  // A name that PostgreSQL made up ends in _check or _key1, or says only the column.
  EXPECT_EQ(query("SELECT coalesce(string_agg(conname, ' '), 'none') FROM pg_constraint WHERE connamespace = "
                  "'public'::regnamespace AND conname ~ '(_check|_not_null|[0-9]_?check[0-9]*)$'"),
            "none");
}

TEST_F(Schema, TheHotRowIsUpdatedInPlace) {
  const auto id = coupon(1000, 1);
  query("SELECT pg_stat_force_next_flush()");
  for (int i = 0; i < 50; ++i) settle({claim(id, 1 + i, 1000 + i)});
  // No index on anything that changes: every update may be heap-only.
  EXPECT_EQ(query("SELECT count(*) FROM pg_index WHERE indrelid = 'coupon'::regclass"), "1");
  EXPECT_EQ(query("SELECT count(*) FROM pg_index WHERE indrelid = 'user_coupon'::regclass"), "2");
}

TEST(SchemaFile, IsWhatAllMigrationsTogetherLeave) {
  std::ifstream file(harness::source_dir() + "/sql/schema.sql");
  const std::string written{std::istreambuf_iterator<char>(file), {}};
  const auto seen = harness::run_program(harness::source_dir() + "/tests/stack/schema.sh",
                                         {"print", harness::PrivatePostgres::shared().migrated_database()});
  ASSERT_EQ(seen.exit_code, 0) << seen.err;
  EXPECT_EQ(written, seen.out) << "sql/schema.sql is not what the migrations leave: `make schema` writes it anew";
}

}  // namespace
}  // namespace flashclaim::postgres
