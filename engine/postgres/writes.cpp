// Asks the server whether it is in recovery or read-only.
#include "engine/postgres/writes.h"

#include "engine/base/try.h"
#include "engine/postgres/query.h"

namespace flashclaim::postgres {
namespace {

constexpr Statement kReadOnly{
    "read_only",
    "SELECT CASE WHEN pg_is_in_recovery() THEN 'it is a standby: PG_URL must lead to the primary' "
    "WHEN current_setting('transaction_read_only')::boolean THEN 'default_transaction_read_only is on' ELSE '' END"};

}  // namespace

SqlResult<void> check_writes(Session& session) {
  auto why = TRY(run(session, kReadOnly, {}, [](const pqxx::result& rows) { return std::string(rows[0][0].c_str()); }));
  if (why.empty()) return {};
  session.close();
  return SqlError{SqlFault::kRetry, "25006", "the database takes no writes: " + why};
}

}  // namespace flashclaim::postgres
