// One connection to PostgreSQL, and the kinds of error of its statements.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "engine/base/result.h"

namespace flashclaim::postgres {

/// What a caller may conclude when a statement failed.
enum class SqlFault {
  kRetry,    ///< rolled back for a passing reason (deadlock, timeout, resources, a database that is read-only now): the
             ///< same statement may be sent again
  kUnknown,  ///< sent, no answer: it may have been carried out. Ask again with the same ids on a new session
  kData,     ///< the parameters are at fault (22*, 23*): the same statement can never succeed
  kConnection,  ///< not sent: no connection. Connect again and send it
  kBug,         ///< the statement or the schema is at fault (42*, 25* ...): a person must act, and no message is guilty
};
/// `retry`, `unknown`, `data`, `connection`, `bug`: for logs and metrics.
std::string_view word(SqlFault fault);

struct SqlError {
  SqlFault fault = SqlFault::kBug;
  std::string sqlstate;  ///< five characters, empty when the server gave none
  std::string message;   ///< one line, without parameters and without the password

  /// As the product-wide error: kUnknown stays unknown, everything else is a failure with its code (kRetry:
  /// kOverloaded).
  [[nodiscard]] Error as_error() const;
};

template <class T>
using SqlResult = Result<T, SqlError>;

/// A SqlResult for a caller that only passes the error on.
template <class T>
Result<T> from_sql(SqlResult<T> result) {
  if (!result) return result.error().as_error();
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return std::move(result).value();
}

/// Why `pg_url` cannot be the URL of a database, if it cannot. Connects to nothing.
Result<void> check_url(const std::string& pg_url);

/// When a program starts: fails when `pg_url` leads to a pooler that shares sessions between clients (pooler.h). A
/// database that is not there (yet) is no failure: every connection is checked again when it is made. Blocks for at
/// most 2 s when there is no answer.
Result<void> refuse_pooler(const std::string& pg_url);

/// Owned and used by one thread. Never reconnects by itself: a session whose connection is lost stays closed (open() is
/// false, every statement ends in kConnection) and its owner makes a new one. The same holds after an error about the
/// session and not about the statement (read-only, shutting down, its prepared statements are gone): every later
/// statement would fail the same way. Every statement is its own transaction: no transaction spans two round trips, so
/// a stopped process never holds a row lock.
class Session {
 public:
  /// `pg_url` as in PG_URL; `name` becomes the application_name (and the actor in coupon_event). Blocks for 5 s at
  /// most; a standby is refused. The settings that the session relies on travel in the start-up packet and override
  /// those of role and database: isolation, search_path, formats, timeouts (statement 30 s, lock 10 s),
  /// synchronous_commit, and the server's keepalives, so that a host that lost its power holds no lock for longer than
  /// 11 s. Only default_transaction_read_only is left to the operator (writes.h). The URL's own parameters win. When
  /// the server does not answer a statement within `patience`, it ends in kUnknown and the session is closed.
  static SqlResult<std::unique_ptr<Session>> connect(const std::string& pg_url, std::string_view name,
                                                     std::chrono::milliseconds patience = std::chrono::seconds(35));

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  /// False once the connection was found lost. True proves nothing: only a statement's answer does.
  [[nodiscard]] bool open() const;
  /// At once; the session stays closed.
  void close();
  /// From now on the server cancels a statement only after `limit`: for the few statements that read a whole coupon.
  SqlResult<void> allow_long_statements(std::chrono::milliseconds limit);
  /// One round trip that touches no table.
  SqlResult<void> ping();

  struct Impl;
  Impl& impl() { return *impl_; }  ///< for engine/postgres only

 private:
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flashclaim::postgres
