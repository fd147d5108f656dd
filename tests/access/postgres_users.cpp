// The roles of PostgreSQL: what each may not do to tables, functions and the schema.
#include <gtest/gtest.h>

#include <map>

#include "tests/access/world.h"
#include "tests/harness/witness.h"

namespace flashclaim::access {
namespace {

constexpr const char* kPrograms[] = {"engine", "consumer", "admin"};
const std::string kSettle =
    "SELECT * FROM settle_claims('{1}'::bigint[], '{1}'::int[], '{1795537708759}'::bigint[], '{0}'::bigint[], "
    "'{0}'::int[], '{7}'::bigint[])";
const std::string kArchivedClaims = "SELECT * FROM archived_claims('{1}', '{1}', '{1795537708759}', '{0}', '{0}')";
const std::string kArchivedCoupons = "SELECT * FROM archived_coupons(7, 9223372036854775807, 2147483647, 21, 1000)";
const std::map<std::string, std::string> kOperations = {
    {"create_coupon", "SELECT create_coupon(77, 'x', 1, 1, 1795537708759, 1795637708759, 1)"},
    {"operate_coupon", "SELECT operate_coupon(77, 'publish')"},
    {"update_coupon", "SELECT update_coupon(77, 'y', NULL, NULL, NULL, NULL)"},
    {"complete_cut", "SELECT complete_cut(77, 1)"},
    {"begin_rebuild", "SELECT begin_rebuild(77)"},
    {"purge_coupon", "SELECT purge_coupon(77)"},
    {"purge_claims", "SELECT purge_claims(77, 1)"},
};

using Statements = std::vector<std::string>;

void expect_denied(const std::string& role, const Statements& statements) {
  harness::announce_denial("permission denied");
  const auto said = run_sql(role, statements);
  for (std::size_t i = 0; i < said.size(); ++i)
    EXPECT_NE(said[i].find("42501"), std::string::npos) << role << ": " << statements[i] << "\nsaid: " << said[i];
}
void expect_allowed(const std::string& role, const Statements& statements) {
  const auto said = run_sql(role, statements);
  for (std::size_t i = 0; i < said.size(); ++i) EXPECT_EQ(said[i], "") << role << ": " << statements[i];
}
Statements calls() {
  Statements all;
  for (const auto& [name, call] : kOperations) all.push_back(call);
  return all;
}

TEST(PostgresUsers, WriteNoTable) {
  Statements writes = {"UPDATE coupon SET issue_num = 0", "UPDATE coupon_state SET status = 'issuing'",
                       "UPDATE settlement_feed SET wanted = true", "SELECT FROM coupon FOR UPDATE",
                       "SELECT log_operation(1, 'publish')"};
  for (const std::string table :
       {"coupon", "coupon_event", "user_coupon", "claim_rejection", "schema_migration", "settlement_event"}) {
    writes.push_back("DELETE FROM " + table);
    writes.push_back("TRUNCATE " + table);
    writes.push_back("INSERT INTO " + table + " DEFAULT VALUES");
  }
  for (const char* role : kPrograms) expect_denied(role, writes);
}

TEST(PostgresUsers, ChangeNoSchema) {
  for (const char* role : kPrograms)
    expect_denied(
        role, {"CREATE TABLE mine (a int)", "CREATE FUNCTION now() RETURNS int LANGUAGE sql AS 'SELECT 1'",
               "DROP TABLE user_coupon", "ALTER FUNCTION purge_claims(bigint, int) SECURITY INVOKER",
               "CREATE TEMP TABLE coupon (a int)", "CREATE ROLE friend", "GRANT flashclaim_owner TO flashclaim_admin",
               "SET ROLE flashclaim_owner", "COPY coupon TO PROGRAM 'true'", "SELECT pg_read_file('/etc/passwd')"});
  expect_denied("owner", {"CREATE ROLE friend", "COPY (SELECT 1) TO PROGRAM 'true'"});
}

TEST(PostgresUsers, CallTheirFunctionsAndNoOther) {
  expect_allowed("admin", calls());
  expect_allowed("admin", {kSettle, "SELECT want_settlement_events(true)"});
  expect_allowed("consumer", {kSettle, "SELECT forget_settlement_events('{1}')"});
  expect_denied("consumer", calls());
  expect_denied("consumer", {"SELECT want_settlement_events(true)"});
  expect_allowed("engine", {kArchivedClaims, kArchivedCoupons, "SELECT NOT pg_is_in_recovery()"});
  for (const char* role : {"consumer", "admin"}) expect_denied(role, {kArchivedClaims, kArchivedCoupons});
  expect_denied("engine", calls());
  expect_denied("engine", {kSettle, "SELECT forget_settlement_events('{1}')"});
}

TEST(PostgresUsers, ReadWhatTheyNeed) {
  const Statements all = {"SELECT * FROM coupon_state", "SELECT * FROM user_coupon", "SELECT * FROM claim_rejection",
                          "SELECT * FROM claim_outcome", "SELECT * FROM schema_migration"};
  for (const char* role : {"consumer", "admin"}) expect_allowed(role, all);
  expect_denied("engine", all);  // it asks about claims and users that it can name, and can copy no table
  expect_allowed("admin", {"SELECT * FROM coupon_event", "SELECT * FROM settlement_event"});
  expect_allowed("consumer", {"SELECT * FROM settlement_events(1)"});
  expect_denied("engine",
                {"SELECT * FROM coupon_event", "SELECT * FROM settlement_events(1)", "SELECT * FROM settlement_event",
                 "SELECT * FROM settlement_feed", "SELECT count(*) FROM coupon",
                 "SELECT user_id FROM user_coupon LIMIT 1", "COPY user_coupon TO STDOUT"});
  expect_denied("consumer", {"SELECT * FROM coupon_event"});
}

// A function that writes for its callers must not look up names where they may put some, nor be everybody's: also the
// ones that a later migration makes or replaces.
TEST(PostgresUsers, FunctionsThatActForOthersAreClosed) {
  expect_allowed("", {R"sql(DO $$ DECLARE v_open text; BEGIN
    SELECT string_agg(oid::regprocedure::text, ', ') INTO v_open FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND prosecdef
      AND (NOT coalesce(proconfig, '{}') @> '{"search_path=public, pg_temp"}'
           OR EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0));
    IF v_open IS NOT NULL THEN RAISE EXCEPTION 'open: %', v_open; END IF;
    IF (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef) < 10 THEN
      RAISE EXCEPTION 'some of the ten act for their callers no more';
    END IF;
  END $$)sql"});
}

TEST(PostgresUsers, ComeInByPasswordOnly) {
  for (const char* role : {"owner", "engine", "consumer", "admin"}) {
    std::string url = World::get().pg_url(role);
    const auto colon = url.find(':', 13);
    url.replace(colon + 1, url.find('@') - colon - 1, "wrong");
    EXPECT_FALSE(postgres::Session::connect(url, "test")) << role;
  }
}

}  // namespace
}  // namespace flashclaim::access
