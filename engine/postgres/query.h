// For the files of this room: one prepared statement, one round trip, every exception of libpqxx turned into a
// SqlError.
#pragma once

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <pqxx/pqxx>
#pragma GCC diagnostic pop

#include <charconv>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/base/ids.h"
#include "engine/postgres/session.h"

namespace flashclaim::postgres {

struct Session::Impl {
  Impl(const std::string& conninfo, std::chrono::milliseconds limit) : connection(conninfo), patience(limit) {}

  pqxx::connection connection;
  std::chrono::milliseconds patience;
  std::set<std::string, std::less<>> prepared;  ///< the names of the statements that this connection knows
};

/// Prepared under `name` at its first use on a session. Both live as long as the program.
struct Statement {
  const char* name;
  const char* sql;
};

/// A parameter as text; nullopt is NULL.
using Param = std::optional<std::string>;
template <class T>
Param param(const std::optional<T>& value) {
  if constexpr (std::is_same_v<T, std::string>)
    return value;
  else
    return value ? Param(std::to_string(*value)) : std::nullopt;
}
template <class T>
requires std::is_integral_v<T> Param param(T value) { return std::to_string(value); }

/// `{1,2,3}`: an array parameter; `number` makes a number of each item.
template <class Items, class Number>
std::string array_param(const Items& items, Number number) {
  std::string text = "{";
  char digits[24];
  for (const auto& item : items) {
    if (text.size() > 1) text += ',';
    text.append(digits, std::to_chars(digits, digits + sizeof digits, number(item)).ptr);
  }
  text += '}';
  return text;
}

/// Claim ids as five array parameters: coupon, epoch, entry ms, entry seq, index.
inline std::vector<Param> claim_id_params(std::span<const ClaimId> ids) {
  return {array_param(ids, [](const ClaimId& id) { return id.coupon_id; }),
          array_param(ids, [](const ClaimId& id) { return id.epoch; }),
          array_param(ids, [](const ClaimId& id) { return id.entry.ms; }),
          array_param(ids, [](const ClaimId& id) { return id.entry.seq; }),
          array_param(ids, [](const ClaimId& id) { return id.index; })};
}

/// Call in a catch block: what the current exception means. `sent`: a request had gone out, so after a lost connection
/// its effect is unknown.
SqlError classify_current_exception(bool sent);

/// True when the next statement on the same session would fail the same way.
bool is_about_the_session(const SqlError& error);

/// Call in a catch block, after a statement was sent: what the exception means. Closes the session when the error is
/// about the session.
SqlError give_up_if_about_the_session(Session& session);

/// Throws libpqxx' exceptions; use run().
pqxx::result execute(Session& session, const Statement& statement, const std::vector<Param>& params);

/// Executes in autocommit and gives the rows to `read`, whose result (or void) is the answer.
template <class Read>
auto run(Session& session, const Statement& statement, const std::vector<Param>& params, Read read)
    -> SqlResult<std::invoke_result_t<Read, const pqxx::result&>> {
  if (!session.open()) return SqlError{SqlFault::kConnection, "", "the connection to PostgreSQL is closed"};
  try {
    return read(execute(session, statement, params));
  } catch (...) {
    return give_up_if_about_the_session(session);
  }
}

}  // namespace flashclaim::postgres
