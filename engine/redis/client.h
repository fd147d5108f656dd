// The blocking Redis client of admin, mirror and consumer: owning replies, pipelining, an honest "unknown" on a lost
// answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

struct redisReply;

namespace flashclaim::redis {

using Milliseconds = std::chrono::milliseconds;

enum class ReplyKind { kNil, kString, kStatus, kInteger, kArray, kError };

/// A reply that somebody else owns (a Reply). Every member is safe on any kind and
/// on a null pointer: a wrong kind reads as nil, "", 0 or an empty array.
class ReplyView {
 public:
  explicit ReplyView(const redisReply* raw = nullptr) : raw_(raw) {}

  [[nodiscard]] ReplyKind kind() const;
  [[nodiscard]] bool is_error() const { return kind() == ReplyKind::kError; }
  [[nodiscard]] bool is_nil() const { return kind() == ReplyKind::kNil; }
  /// The bytes of a string, status or error. Lives as long as the owner of the reply.
  [[nodiscard]] std::string_view text() const;
  /// The value of an integer reply.
  [[nodiscard]] std::int64_t integer() const;
  /// The number of elements of an array.
  [[nodiscard]] std::size_t size() const;
  /// The element, or nil beyond the end.
  ReplyView operator[](std::size_t index) const;
  /// The first word of an error reply (`OOM`, `ARGUMENT`, `DAMAGED` …), else "".
  [[nodiscard]] std::string_view error_code() const;

 private:
  const redisReply* raw_;
};

/// A reply that owns its memory; move only. The views of it die with it.
class Reply {
 public:
  explicit Reply(redisReply* raw = nullptr) : raw_(raw) {}

  [[nodiscard]] ReplyView view() const { return ReplyView(raw_.get()); }
  [[nodiscard]] ReplyKind kind() const { return view().kind(); }
  [[nodiscard]] bool is_error() const { return view().is_error(); }
  [[nodiscard]] bool is_nil() const { return view().is_nil(); }
  [[nodiscard]] std::string_view text() const { return view().text(); }
  [[nodiscard]] std::int64_t integer() const { return view().integer(); }
  [[nodiscard]] std::size_t size() const { return view().size(); }
  ReplyView operator[](std::size_t index) const { return view()[index]; }
  [[nodiscard]] std::string_view error_code() const { return view().error_code(); }

 private:
  struct Free {
    void operator()(redisReply* raw) const noexcept;
  };
  std::unique_ptr<redisReply, Free> raw_;
};

/// The first reply in these bytes; nil when they hold no complete one. For the tests of what reads replies.
Reply reply_of_bytes(std::string_view resp);

struct Endpoint;

/// Which servers a connection may lead to.
enum class Server { kPrimary, kAny };

/// One connection, used by one thread, blocking. Movable.
///
/// Errors: before a command is sent, kFailure. Once it may have been sent and the answer did not come (timeout, reset),
/// kUnknown, the connection is closed, and connected() is false until reconnect(). Nothing is ever sent twice.
/// An error *reply* is an answer: a Reply of kind kError; `ok()` turns it into a failure. One that is about the session
/// (errors.h: READONLY and the like) also closes the connection, once every answer owed was read: the address is to be
/// looked up again, and may lead to the new primary.
class Client {
 public:
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  /// Connects, authenticates and selects the database of `redis_url` (endpoint.h). `timeout` bounds the connecting, the
  /// log-in, and each later wait for the server to take or to send anything: a blocking command (XREADGROUP BLOCK) must
  /// wait for less. A replica, and a server that is loading, is a failure, unless kAny.
  static Result<Client> connect(const std::string& redis_url, Milliseconds timeout, Server wanted = Server::kPrimary);

  /// Sends one command and waits for its reply. Precondition: no reply of append() is owed.
  Result<Reply> command(std::span<const std::string_view> argv);
  Result<Reply> command(std::initializer_list<std::string_view> argv);
  Result<Reply> command(const std::vector<std::string>& argv);

  /// Pipelining: queues a command without waiting. Every append() is answered by exactly one read(), in order; after a
  /// loss the answers that were owed are kUnknown, those appended later kFailure.
  void append(std::span<const std::string_view> argv);
  void append(std::initializer_list<std::string_view> argv);
  void append(const std::vector<std::string>& argv);
  Result<Reply> read();
  /// Writes what append() queued, as the first read() would: the server works while the caller does something else. A
  /// loss shows in read().
  void send();

  [[nodiscard]] bool connected() const { return wire_ != nullptr; }
  /// Drops the connection, if any, with all answers owed, and connects anew. No waiting between attempts: back-off is
  /// the caller's.
  Result<void> reconnect();
  /// Closes at once; answers owed become kUnknown.
  void close();

 private:
  struct Wire;
  Client();
  Error lose(std::string why);
  Result<void> greet(const Endpoint& endpoint);
  Result<void> exchange();

  std::string url_;
  Milliseconds timeout_{};
  Server wanted_ = Server::kPrimary;
  bool leaving_ = false;  ///< after an answer about the session: closed with the last answer owed
  std::unique_ptr<Wire> wire_;
  std::string lost_why_;    ///< of the last connection
  std::size_t owed_ = 0;    ///< appended on the living connection, not read yet
  std::size_t lost_ = 0;    ///< owed when a connection was lost: read() answers kUnknown
  std::size_t unsent_ = 0;  ///< appended without a connection: read() answers kFailure
};

/// An error reply becomes a failure with the server's text; everything else passes.
Result<Reply> ok(Result<Reply> reply);

}  // namespace flashclaim::redis
