// See rights.h.
#include "engine/postgres/rights.h"

#include "engine/postgres/query.h"

namespace flashclaim::postgres {
namespace {

constexpr Statement kMissing{
    "missing_right",
    "SELECT coalesce("
    "(SELECT 'EXECUTE ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
    "AND proname IN ('settle_claims', 'forget_settlement_events') "
    "AND NOT has_function_privilege(oid, 'EXECUTE') LIMIT 1), "
    "(SELECT 'SELECT ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
    "AND relname IN ('coupon', 'coupon_state', 'user_coupon', 'claim_rejection', 'claim_outcome', 'schema_migration', "
    "'settlement_event', 'settlement_feed') AND NOT has_table_privilege(oid, 'SELECT') LIMIT 1), '')"};

}  // namespace

SqlResult<std::string> missing_right(Session& session) {
  return run(session, kMissing, {}, [](const pqxx::result& rows) { return std::string(rows[0][0].c_str()); });
}

}  // namespace flashclaim::postgres
