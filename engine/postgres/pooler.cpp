// Compares process ids: a second connection served by our own server process proves that the session is shared.
#include "engine/postgres/pooler.h"

#include "engine/postgres/deadline.h"

namespace flashclaim::postgres {
namespace {

constexpr int kLooks = 3;
constexpr auto kPatience = std::chrono::seconds(5);
constexpr const char* kShared =
    "PG_URL leads to a connection pooler in transaction (or statement) mode: its sessions are not ours alone, and "
    "prepared "
    "statements, locks and timeouts get lost. Point PG_URL at PostgreSQL itself, or at a pooler in session mode";

/// The server's process that answers now.
int serving(pqxx::connection& connection) {
  const DeadlineWatch watch(connection.sock(), kPatience);
  pqxx::nontransaction autocommit(connection);
  return autocommit.exec("SELECT pg_backend_pid()")[0][0].as<int>();
}

}  // namespace

/// A server names its own process at the start of a session; a pooler cannot. A server process of our own serves no
/// other connection: if it answers a second connection too, it is shared. Poolers hand out the session that came back
/// last, so one more connection is enough when there are no other clients.
std::optional<SqlError> refuse_shared_session(pqxx::connection& connection, const std::string& conninfo) {
  if (serving(connection) == connection.backendpid()) return std::nullopt;
  for (int look = 0; look < kLooks; ++look) {
    const int ours = serving(connection);
    try {
      pqxx::connection other(conninfo);
      if (serving(other) == ours) return SqlError{SqlFault::kBug, "", kShared};
    } catch (const pqxx::broken_connection&) {
      break;  // a pool without a free session waits: so each client has a session of its own
    }
  }
  return std::nullopt;
}

}  // namespace flashclaim::postgres
