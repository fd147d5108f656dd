// Brings a database's schema forward: the numbered migrations of this build, each in one transaction with its ledger
// row.
#pragma once

#include <string>
#include <vector>

#include "engine/base/assets.h"
#include "engine/postgres/session.h"

namespace flashclaim::postgres {

struct MigrationStatus {
  int number = 0;
  std::string name;
  bool applied = false;
  bool intact = true;    ///< false: applied with another checksum or name than this build's
  bool unknown = false;  ///< applied by a newer build: this one does not have it
  std::int64_t applied_at_ms = 0;
};

/// Applies what is missing, in order; returns the numbers that this call applied (empty: nothing to do). The ledger row
/// is written first, in the migration's own transaction. Two migrators at once: the second waits, then finds nothing to
/// do. Refused, with nothing changed, when an applied migration differs from this build's or is unknown to it.
SqlResult<std::vector<int>> migrate(Session& session, const std::vector<Migration>& wanted = migrations());

/// In number order: this build's migrations and the database's together. In an empty database none is applied.
SqlResult<std::vector<MigrationStatus>> migration_status(Session& session,
                                                         const std::vector<Migration>& wanted = migrations());
/// True when every migration of this build is applied and intact, and no other.
SqlResult<bool> schema_current(Session& session);

}  // namespace flashclaim::postgres
