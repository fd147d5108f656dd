// A pooler between us and PostgreSQL: one in transaction mode takes from a session what makes it one.
#pragma once

#include <optional>
#include <string>

#include "engine/postgres/query.h"
#include "engine/postgres/session.h"

namespace flashclaim::postgres {

/// Why this connection is not to be used: the server's session behind it serves others too (PgBouncer with pool_mode
/// transaction or statement). Prepared statements, the advisory locks of relay and reconciler, and our timeouts would
/// be lost or another's. Nullopt: the server itself, or a session of our own behind a pooler. One round trip; behind a
/// pooler, a few connections more. Throws as libpqxx does.
std::optional<SqlError> refuse_shared_session(pqxx::connection& connection, const std::string& conninfo);

}  // namespace flashclaim::postgres
