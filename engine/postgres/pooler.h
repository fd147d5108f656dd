// Finds a pooler between us and PostgreSQL that shares the server's session between clients.
#pragma once

#include <optional>
#include <string>

#include "engine/postgres/query.h"
#include "engine/postgres/session.h"

namespace flashclaim::postgres {

/// An error when this connection must not be used: the server's session behind it serves other clients too (PgBouncer
/// with pool_mode transaction or statement). Prepared statements, the advisory locks of relay and reconciler, and our
/// timeouts would be lost or mixed with theirs. Nullopt: the server itself, or a session of our own behind a pooler.
/// One round trip; behind a pooler, a few more connections. Throws as libpqxx does.
std::optional<SqlError> refuse_shared_session(pqxx::connection& connection, const std::string& conninfo);

}  // namespace flashclaim::postgres
