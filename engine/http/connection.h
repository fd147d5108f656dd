// One client connection: bytes in, requests to the handler, answers out in the order of the requests. Private to the
// room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/http/cors.h"
#include "engine/http/parser.h"
#include "engine/http/server.h"
#include "engine/http/tls.h"
#include "engine/loop/loop.h"

namespace flashclaim::http {

class Connection;

enum class ConnectionState {
  kClosed,     ///< in the pool
  kIdle,       ///< between requests
  kReading,    ///< part of a request is here
  kAnswering,  ///< answers are owed; no deadline here: whoever owes them has one
  kWriting,    ///< the client does not read its answers
  kLingering,  ///< all was said; waits for the client to close, so that it is not reset before it has read
};
inline constexpr int kConnectionStates = static_cast<int>(ConnectionState::kLingering) + 1;

enum class CloseReason { kClientClosed, kClientError, kTimedOut, kSaidClose, kDrained, kTurnedAway };

/// Connections of one state, oldest first: with one duration per state the head is always the next to expire.
struct DeadlineList {
  Connection* head = nullptr;
  Connection* tail = nullptr;
};

/// What the connections of one server share.
struct Shared {
  Shared(loop::Loop& l, Handler& h, const Limits& m);

  loop::Loop& loop;
  Handler& handler;
  Limits limits;
  Cors cors;
  Parser parser;
  Request request;           ///< the one being parsed: too big to make anew each time
  std::vector<char> buffer;  ///< what recv fills
  std::string date;
  std::int64_t now_ms;  ///< of the last tick
  bool draining = false;
  ServerCounters counters;
  std::size_t owed = 0;
  std::uint64_t next_request_id;
  std::shared_ptr<const TlsContext> tls;  ///< of connections to come; null: they speak plainly
  DeadlineList by_state[kConnectionStates];
  std::vector<Connection*> dirty;   ///< have bytes to write, or may read on
  std::vector<Connection*> closed;  ///< go back to the pool at the end of the turn
  loop::EndOfTurn end_of_turn;
  std::function<void()> at_end_of_turn;
};

class Connection {
 public:
  Connection(Shared& shared, std::uint32_t index);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open(int fd, const Peer& peer);
  /// The one way out; the object goes back to the pool at the end of the turn.
  void close(CloseReason reason);
  /// False for an exchange of an earlier client.
  bool answer(Exchange exchange, const Answer& answer);
  void flush();
  void expire();  ///< its state has lasted too long

  [[nodiscard]] ConnectionState state() const { return state_; }
  [[nodiscard]] std::int64_t since_ms() const { return since_ms_; }
  [[nodiscard]] std::uint32_t index() const { return index_; }

 private:
  friend struct DeadlineLists;
  /// A request that is owed an answer, or an answer that waits for those before it.
  struct Owed {
    static constexpr std::size_t kRequestIdMax = 64;
    bool answered = false;
    bool keep_alive = true;
    bool http10 = false;
    bool omit_body = false;
    std::uint8_t request_id_n = 0;  ///< 0: one is made
    std::uint8_t cors = 0;          ///< Cors::match
    char request_id[kRequestIdMax];
    std::string text;
  };

  void on_readable() noexcept;
  void consume(const char* data, std::size_t size);
  void begin_exchange(const Request& request);
  void reject(Problem problem);
  void say_continue();
  void render(std::string& out, const Owed& owed, const Answer& answer);
  Owed& owed_at(std::uint32_t sequence) { return owed_[sequence & (owed_.size() - 1)]; }
  [[nodiscard]] std::uint32_t owed_count() const { return next_ - first_; }
  void grow_owed();
  void release_answered();
  void mark_dirty();
  bool write_out();
  ssize_t receive(char* data, std::size_t size);
  ssize_t transmit(const char* data, std::size_t size);
  void wait_until_writable();
  void shake_hands_later();
  [[nodiscard]] bool shaking_hands() const { return tls_ && !tls_->established(); }
  void after_flush();
  void linger();
  void end_idle();
  void set_state(ConnectionState state);
  void settle_state();

  Shared& shared_;
  std::uint32_t index_;
  std::uint32_t generation_ = 0;
  int fd_ = -1;
  Peer peer_;
  std::unique_ptr<TlsSession> tls_;  ///< null: plain
  ConnectionState state_ = ConnectionState::kClosed;
  bool dirty_ = false;
  bool last_request_seen_ = false;  ///< close after the answers that are owed; read no further request
  bool held_back_ = false;          ///< in_ holds bytes that were not parsed because too many answers are owed
  bool continue_said_ = false;
  std::int64_t since_ms_ = 0;
  Connection* older_ = nullptr;
  Connection* younger_ = nullptr;
  std::uint32_t first_ = 0;  ///< sequence of the oldest answer owed
  std::uint32_t next_ = 0;   ///< sequence of the next request
  std::vector<Owed> owed_;   ///< a ring; its size is a power of two
  std::string in_;           ///< an incomplete request
  std::string out_;
  loop::FdEvent readable_;
  loop::FdEvent writable_;
};

}  // namespace flashclaim::http
