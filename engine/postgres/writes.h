// Whether a database takes writes: a session that was opened on a standby, or while the database was read-only, does
// not learn that this is over.
#pragma once

#include "engine/postgres/session.h"

namespace flashclaim::postgres {

/// One round trip. When it takes none: kRetry with 25006 and the reason, and the session is closed, for the next one
/// may lead to another server, or hear that the database is writable again.
SqlResult<void> check_writes(Session& session);

}  // namespace flashclaim::postgres
