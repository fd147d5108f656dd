// One connection to PostgreSQL, and the kinds of error that its statements can end in.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace flashclaim::postgres {

/// What a caller may conclude when a statement gave no answer.
enum class SqlFault {
  kRetry,    ///< rolled back for a passing reason (deadlock, timeout, resources): the same statement may be sent again
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

  /// As the product-wide error: kUnknown stays unknown, everything else is a failure.
  [[nodiscard]] Error as_error() const;
};

template <class T>
using SqlResult = Result<T, SqlError>;

/// Why `pg_url` cannot be the URL of a database, if it cannot. Connects to nothing.
Result<void> check_url(const std::string& pg_url);

/// Owned and used by one thread. Never reconnects by itself: a session whose connection is lost stays closed (open() is
/// false, every statement ends in kConnection) and its owner makes a new one. Every statement is its own transaction:
/// no transaction spans two round trips, so a stopped process never holds a lock.
class Session {
 public:
  /// `pg_url` as in PG_URL; `name` becomes the application_name (and the actor in coupon_event). Blocks for 5 s at
  /// most. The server's own timeouts (statement 30 s, lock 10 s) travel in the start-up packet; a server that does not
  /// answer at all is given up after `patience` (kUnknown, and the session is closed).
  static SqlResult<std::unique_ptr<Session>> connect(const std::string& pg_url, std::string_view name,
                                                     std::chrono::milliseconds patience = std::chrono::seconds(35));

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  /// False once the connection was found lost. True promises nothing: only a statement's answer does.
  [[nodiscard]] bool open() const;
  /// One round trip that touches no table.
  SqlResult<void> ping();

  struct Impl;
  Impl& impl() { return *impl_; }  ///< for engine/postgres only

 private:
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flashclaim::postgres
