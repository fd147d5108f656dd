// The privileges of each program as a table; tests/access/postgres_calls.cpp proves that each is needed and all
// suffice.
#include "engine/postgres/rights.h"

#include <array>

#include "engine/postgres/query.h"

namespace flashclaim::postgres {
namespace {

constexpr auto kNeeds = std::to_array<Needs>({
    {"engine", "", "archived_claims archived_coupons", ""},
    {"consumer",
     "coupon coupon_state user_coupon claim_rejection claim_outcome schema_migration settlement_event settlement_feed",
     "settle_claims forget_settlement_events",
     "settlement_events highest_entry flying_entries reconcile_rows reconcile_user_rows"},
    {"admin",
     "coupon coupon_state coupon_event user_coupon claim_rejection claim_outcome schema_migration settlement_event "
     "settlement_feed",
     "settle_claims want_settlement_events create_coupon operate_coupon update_coupon complete_cut begin_rebuild "
     "purge_coupon purge_claims",
     "highest_entry flying_entries reconcile_rows reconcile_user_rows coupon_counts"},
});

constexpr Statement kMissing{
    "missing_right",
    "SELECT coalesce("
    "(SELECT 'USAGE public' WHERE NOT has_schema_privilege('public', 'USAGE')), "
    "(SELECT 'EXECUTE ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
    "AND proname = ANY (string_to_array($2::text, ' ')) AND NOT has_function_privilege(oid, 'EXECUTE') LIMIT 1), "
    "(SELECT 'SELECT ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
    "AND relname = ANY (string_to_array($1::text, ' ')) AND NOT has_table_privilege(oid, 'SELECT') LIMIT 1), '')"};

const Needs& needs_of(User user) { return kNeeds[user == User::kEngine ? 0 : 1]; }

}  // namespace

std::span<const Needs> all_needs() { return kNeeds; }

SqlResult<std::string> missing_right(Session& session, User user) {
  const Needs& needs = needs_of(user);
  const std::string functions = std::string(needs.functions) + ' ' + std::string(needs.reading);
  return run(session, kMissing, {std::string(needs.tables), functions},
             [](const pqxx::result& rows) { return std::string(rows[0][0].c_str()); });
}

std::string rights_text(User user, const std::string& missing) {
  if (missing.empty()) return "ok";
  return "this login may not " + missing + ": log in as flashclaim_" + std::string(needs_of(user).role) +
         ", and let a superuser run what this version's `flashctl access postgres` prints";
}

}  // namespace flashclaim::postgres
