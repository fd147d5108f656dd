// Connecting, executing, and the one place where an exception of libpqxx becomes a SqlError.
#include "engine/postgres/session.h"

#include <libpq-fe.h>

#include "engine/base/try.h"
#include "engine/postgres/deadline.h"
#include "engine/postgres/pooler.h"
#include "engine/postgres/query.h"

namespace flashclaim::postgres {
namespace {

// The settings that a session relies on, whatever its role and its database set. The server rolls back a statement that
// waits longer than its timeout, and we retry it. The kernels at both ends find a dead peer: the server's sessions hold
// locks (the relay's), and without these settings its keepalives begin after two hours. default_transaction_read_only
// is not set here: an operator who sets it means it.
constexpr const char* kSettings =
    "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=10s -c idle_session_timeout=0 "
    "-c default_transaction_isolation=read\\ committed -c default_transaction_deferrable=off "
    "-c synchronous_commit=on -c search_path=public,pg_temp "
    "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC -c bytea_output=hex -c standard_conforming_strings=on "
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=10000";
constexpr std::pair<const char*, const char*> kDefaults[] = {
    {"connect_timeout", "5"},
    {"keepalives_idle", "5"},
    {"keepalives_interval", "2"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "10000"},
    {"client_encoding", "UTF8"},
    {"target_session_attrs", "primary"},
};

std::string quoted(std::string_view value) {
  std::string text = "'";
  for (char c : value) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + "' ";
}

using Parsed = std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)>;
constexpr const char* kNoUrl = "PG_URL is not a PostgreSQL URL (postgresql://user:password@host:port/database)";

/// Null for a malformed URL.
Parsed parse_conninfo(const std::string& pg_url) {
  char* problem = nullptr;
  Parsed parsed(PQconninfoParse(pg_url.c_str(), &problem), PQconninfoFree);
  if (problem) PQfreemem(problem);  // it may repeat the password: not shown
  return parsed;
}

/// `keyword='value' ...` of the URL, with our defaults where it says nothing. Throws on a malformed URL.
std::string conninfo(const std::string& pg_url, std::string_view name) {
  const Parsed parsed = parse_conninfo(pg_url);
  if (!parsed) throw std::invalid_argument(kNoUrl);
  std::string text;
  std::string options = kSettings;
  std::set<std::string, std::less<>> given;
  for (const PQconninfoOption* option = parsed.get(); option->keyword; ++option) {
    std::string_view keyword = option->keyword;
    if (!option->val || keyword == "application_name") continue;
    given.emplace(keyword);
    if (keyword == "options")
      options += std::string(" ") + option->val;
    else
      text += std::string(keyword) + '=' + quoted(option->val);
  }
  for (const auto& [keyword, value] : kDefaults)
    if (!given.contains(keyword)) text += std::string(keyword) + '=' + quoted(value);
  return text + "options=" + quoted(options) + "application_name=" + quoted(name);
}

/// The first line, without its `ERROR:  `: the rest repeats statement and parameters.
std::string first_line(std::string_view what) {
  what = what.substr(0, what.find('\n'));
  for (std::string_view prefix : {"ERROR:  ", "FATAL:  ", "PANIC:  "})
    if (what.starts_with(prefix)) what.remove_prefix(prefix.size());
  return std::string(what);
}

SqlFault fault_of(std::string_view sqlstate) {
  if (sqlstate == "40003") return SqlFault::kUnknown;
  // The server went away in the middle: whether it committed before cannot be known.
  if (sqlstate.starts_with("57P") || sqlstate.starts_with("08")) return SqlFault::kUnknown;
  // Rolled back for sure: conflicts, timeouts, resources, I/O, a server that is (still) a standby.
  for (std::string_view prefix : {"40", "53", "55P03", "57014", "58", "XX", "25006"})
    if (sqlstate.starts_with(prefix)) return SqlFault::kRetry;
  if (sqlstate.starts_with("22") || sqlstate.starts_with("23")) return SqlFault::kData;
  return SqlFault::kBug;
}

constexpr std::string_view kStalePlan = "cached plan must not change result type";

}  // namespace

// 25: read-only, or inside a transaction that is not ours. 26, 42P05: its prepared statements are not what we think.
// 0A000: its prepared statements are from before a migration. 08, 57P: the session ends.
bool is_about_the_session(const SqlError& error) {
  if (error.fault == SqlFault::kUnknown || error.fault == SqlFault::kConnection) return true;
  for (std::string_view prefix : {"25", "26", "42P05", "0A000", "08", "57P"})
    if (error.sqlstate.starts_with(prefix)) return true;
  return false;
}

std::string_view word(SqlFault fault) {
  switch (fault) {
    case SqlFault::kRetry:
      return "retry";
    case SqlFault::kUnknown:
      return "unknown";
    case SqlFault::kData:
      return "data";
    case SqlFault::kConnection:
      return "connection";
    case SqlFault::kBug:
      return "bug";
  }
  return "bug";
}

Error SqlError::as_error() const {
  std::string text =
      "PostgreSQL (" + std::string(word(fault)) + (sqlstate.empty() ? "" : " " + sqlstate) + "): " + message;
  switch (fault) {
    case SqlFault::kUnknown:
      return unknown(std::move(text));
    case SqlFault::kRetry:
      return failure(ErrorCode::kOverloaded, std::move(text));
    case SqlFault::kData:
      return failure(ErrorCode::kBadArgument, std::move(text));
    case SqlFault::kConnection:
      return failure(ErrorCode::kNotServing, std::move(text));
    case SqlFault::kBug:
      break;
  }
  return failure(sqlstate == "42501" ? ErrorCode::kDenied : ErrorCode::kOther, std::move(text));
}

// The order matters: in_doubt_error and broken_connection are no sql_errors, transaction_rollback is none either, and
// statement_completion_unknown is a transaction_rollback (libpqxx 6.4).
SqlError classify_current_exception(bool sent) {
  const SqlFault lost = sent ? SqlFault::kUnknown : SqlFault::kConnection;
  try {
    throw;
  } catch (const pqxx::in_doubt_error& e) {
    return {SqlFault::kUnknown, "", first_line(e.what())};
  } catch (const pqxx::statement_completion_unknown& e) {
    return {SqlFault::kUnknown, "40003", first_line(e.what())};
  } catch (const pqxx::deadlock_detected& e) {
    return {SqlFault::kRetry, "40P01", first_line(e.what())};
  } catch (const pqxx::serialization_failure& e) {
    return {SqlFault::kRetry, "40001", first_line(e.what())};
  } catch (const pqxx::transaction_rollback& e) {
    return {SqlFault::kRetry, "40000", first_line(e.what())};
  } catch (const pqxx::too_many_connections& e) {
    return {SqlFault::kConnection, "53300", first_line(e.what())};
  } catch (const pqxx::broken_connection& e) {
    return {lost, "", first_line(e.what())};
  } catch (const pqxx::insufficient_privilege& e) {
    return {SqlFault::kBug, "42501", first_line(e.what())};  // libpqxx 6.4 drops the SQLSTATE of this one
  } catch (const pqxx::sql_error& e) {
    if (e.sqlstate() == "0A000" && first_line(e.what()) == kStalePlan)
      return {SqlFault::kRetry, e.sqlstate(), first_line(e.what())};
    return {e.sqlstate().empty() ? lost : fault_of(e.sqlstate()), e.sqlstate(), first_line(e.what())};
  } catch (const std::exception& e) {
    return {SqlFault::kBug, "", first_line(e.what())};
  }
}

Result<void> check_url(const std::string& pg_url) {
  if (!parse_conninfo(pg_url)) return failure(kNoUrl);
  return {};
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

SqlResult<std::unique_ptr<Session>> Session::connect(const std::string& pg_url, std::string_view name,
                                                     std::chrono::milliseconds patience) {
  try {
    const std::string whole = conninfo(pg_url, name);
    auto impl = std::make_unique<Impl>(whole, patience);
    if (auto shared = refuse_shared_session(impl->connection, whole)) return *shared;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    impl->connection.inhibit_reactivation(true);  // a silent reconnect would lose prepared statements and locks
#pragma GCC diagnostic pop
    return std::unique_ptr<Session>(new Session(std::move(impl)));
  } catch (...) {
    SqlError error = classify_current_exception(false);
    if (error.message.find("unsupported startup parameter") != std::string::npos) {
      return SqlError{SqlFault::kBug, "",
                      "PG_URL leads to a connection pooler that does not take a session's own settings (" +
                          error.message +
                          "): point it at PostgreSQL itself, or at a pooler in session mode that lets `options` pass"};
    }
    if (error.fault != SqlFault::kBug) error.fault = SqlFault::kConnection;
    return error;
  }
}

void Session::close() { impl_->connection.disconnect(); }

SqlError give_up_if_about_the_session(Session& session) {
  SqlError error = classify_current_exception(true);
  if (is_about_the_session(error)) session.close();
  return error;
}

Result<void> refuse_pooler(const std::string& pg_url) {
  const char* link = pg_url.find("://") == std::string::npos ? " " : pg_url.find('?') == std::string::npos ? "?" : "&";
  const auto session = Session::connect(pg_url + link + "connect_timeout=2", "flashclaim-start");
  if (!session && session.error().fault == SqlFault::kBug) return session.error().as_error();
  return {};
}

bool Session::open() const { return impl_->connection.is_open(); }

SqlResult<void> Session::allow_long_statements(std::chrono::milliseconds limit) {
  TRY(run(*this, {"allow_long_statements", "SELECT set_config('statement_timeout', $1, false)"},
          {std::to_string(limit.count())}, [](const pqxx::result&) { return true; }));
  impl_->patience = limit + std::chrono::seconds(5);
  return {};
}

SqlResult<void> Session::ping() {
  TRY(run(*this, {"ping", "SELECT 1"}, {}, [](const pqxx::result&) { return true; }));
  return {};
}

pqxx::result execute(Session& session, const Statement& statement, const std::vector<Param>& params) {
  Session::Impl& impl = session.impl();
  const DeadlineWatch watch(impl.connection.sock(), impl.patience);
  if (!impl.prepared.contains(statement.name)) {
    impl.connection.prepare(statement.name, statement.sql);
    impl.prepared.emplace(statement.name);
  }
  std::vector<const char*> texts;
  for (const Param& text : params) texts.push_back(text ? text->c_str() : nullptr);
  pqxx::nontransaction autocommit(impl.connection);
  return autocommit.exec_prepared(statement.name, pqxx::prepare::make_dynamic_params(texts));
}

}  // namespace flashclaim::postgres
