// Each step is one transaction: lock, compare the ledger, write the row, run the migration.
#include "engine/postgres/migrate.h"

#include <algorithm>
#include <map>

#include "engine/base/try.h"
#include "engine/postgres/deadline.h"
#include "engine/postgres/query.h"

namespace flashclaim::postgres {
namespace {

// The ledger has a few rows: a server that takes longer does not answer at all. /readyz reads it every second.
constexpr std::chrono::milliseconds kStatusPatience{5000};
constexpr long kMigratorLock = 0x666c6173684d4947;  // any number of our own; held to the end of a step

struct LedgerRow {
  std::string name;
  std::string sha256;
  std::int64_t applied_at_ms = 0;
};
using Ledger = std::map<int, LedgerRow>;

Ledger read_ledger(pqxx::transaction_base& transaction) {
  Ledger ledger;
  if (transaction.exec1("SELECT to_regclass('public.schema_migration') IS NULL")[0].as<bool>()) return ledger;
  for (const auto& row :
       transaction.exec("SELECT number, name, sha256, (extract(epoch FROM applied_at) * 1000)::bigint "
                        "FROM schema_migration"))
    ledger[row[0].as<int>()] = {row[1].c_str(), row[2].c_str(), row[3].as<std::int64_t>()};
  return ledger;
}

std::vector<MigrationStatus> compare(const Ledger& ledger, const std::vector<Migration>& wanted) {
  std::map<int, MigrationStatus> all;
  for (const Migration& m : wanted) all[m.number] = {m.number, std::string(m.name), false, true, false, 0};
  for (const auto& [number, row] : ledger) {
    auto [status, foreign] = all.try_emplace(number, MigrationStatus{number, row.name, true, true, true, 0});
    status->second.applied = true;
    status->second.applied_at_ms = row.applied_at_ms;
    if (foreign) continue;
    const auto& mine = *std::find_if(wanted.begin(), wanted.end(), [&, n = number](auto& m) { return m.number == n; });
    status->second.intact = row.sha256 == mine.sha256 && row.name == mine.name;
  }
  std::vector<MigrationStatus> list;
  for (auto& [number, status] : all) list.push_back(std::move(status));
  return list;
}

/// Why no migration may be applied to such a database; empty when one may.
std::string refusal(const std::vector<MigrationStatus>& list) {
  bool gap = false;
  for (const MigrationStatus& m : list) {
    std::string title = "migration " + std::to_string(m.number) + " (" + m.name + ")";
    if (m.unknown) return title + " of the database is unknown to this build: a newer one has been here";
    if (!m.intact) return title + " was applied with another text than this build's: migrations are never edited";
    if (m.applied && gap) return title + " is applied but one before it is not: migrations go forward only";
    gap = gap || !m.applied;
  }
  return "";
}

/// Applies the first missing migration, or returns 0 when none is missing. Throws libpqxx' exceptions and
/// std::logic_error.
int step(pqxx::connection& connection, const std::vector<Migration>& wanted) {
  pqxx::work transaction(connection);
  transaction.exec("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0");
  transaction.exec("SELECT pg_advisory_xact_lock(" + std::to_string(kMigratorLock) + ")");
  const auto list = compare(read_ledger(transaction), wanted);
  if (auto reason = refusal(list); !reason.empty()) throw std::logic_error(reason);
  const auto next = std::find_if(list.begin(), list.end(), [](auto& m) { return !m.applied; });
  if (next == list.end()) return 0;
  const auto& migration =
      *std::find_if(wanted.begin(), wanted.end(), [&](auto& m) { return m.number == next->number; });
  // The first migration creates the ledger itself; every other one writes its row before its first effect.
  if (migration.number == 1) transaction.exec(std::string(migration.sql));
  transaction.exec_params("INSERT INTO schema_migration (number, name, sha256) VALUES ($1, $2, $3)", migration.number,
                          std::string(migration.name), std::string(migration.sha256));
  if (migration.number != 1) transaction.exec(std::string(migration.sql));
  transaction.commit();
  return migration.number;
}

}  // namespace

SqlResult<std::vector<int>> migrate(Session& session, const std::vector<Migration>& wanted) {
  if (!session.open()) return SqlError{SqlFault::kConnection, "", "the connection to PostgreSQL is closed"};
  std::vector<int> applied;
  try {
    while (int number = step(session.impl().connection, wanted)) applied.push_back(number);
    return applied;
  } catch (...) {
    return give_up_if_about_the_session(session);
  }
}

SqlResult<std::vector<MigrationStatus>> migration_status(Session& session, const std::vector<Migration>& wanted) {
  if (!session.open()) return SqlError{SqlFault::kConnection, "", "the connection to PostgreSQL is closed"};
  try {
    pqxx::connection& connection = session.impl().connection;
    const DeadlineWatch watch(connection.sock(), std::min(session.impl().patience, kStatusPatience));
    pqxx::nontransaction autocommit(connection);
    return compare(read_ledger(autocommit), wanted);
  } catch (...) {
    return give_up_if_about_the_session(session);
  }
}

SqlResult<bool> schema_current(Session& session) {
  auto list = TRY(migration_status(session));
  return std::all_of(list.begin(), list.end(), [](auto& m) { return m.applied && m.intact && !m.unknown; });
}

}  // namespace flashclaim::postgres
