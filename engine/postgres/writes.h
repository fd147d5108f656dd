// Asks whether a database takes writes. A session that was opened on a standby, or while the database was read-only,
// does not notice when that ends.
#pragma once

#include "engine/postgres/session.h"

namespace flashclaim::postgres {

/// One round trip. When the database takes no writes: kRetry with 25006 and the reason, and the session is closed,
/// because the next one may reach another server, or find the database writable again.
SqlResult<void> check_writes(Session& session);

}  // namespace flashclaim::postgres
