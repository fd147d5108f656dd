// The HTTP/1.1 server of one loop: accepts, parses strictly, answers in order, writes once per connection and turn.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/base/counter.h"
#include "engine/base/result.h"
#include "engine/http/address.h"
#include "engine/http/answer.h"
#include "engine/http/cors.h"
#include "engine/http/problem.h"
#include "engine/http/request.h"

namespace flashclaim::loop {
class Loop;
}

namespace flashclaim::http {

/// A request that is owed an answer. Plain numbers: it may outlive its connection, the answer then goes nowhere.
struct Exchange {
  std::uint32_t connection = 0;
  std::uint32_t generation = 0;
  std::uint32_t sequence = 0;
};

/// Called in the loop's thread. Every request is answered exactly once, by Server::answer, at once or later.
class Handler {
 public:
  virtual void handle(const Request& request, Exchange exchange) noexcept = 0;

  /// Asked when a client has connected, before it gets memory; false: it is turned away. `left` is called once for each
  /// that was admitted, when it is gone.
  virtual bool admits(const Peer& peer) noexcept { return static_cast<void>(peer), true; }
  virtual void left(const Peer& peer) noexcept { static_cast<void>(peer); }

 protected:
  ~Handler() = default;
};

struct Limits {
  std::size_t header_bytes = 8192;  ///< request line and headers; more: 431
  std::size_t body_bytes = 4096;    ///< more: 413
  std::size_t pipeline = 64;        ///< requests owed per connection; more wait unread
  std::size_t connections = 20000;  ///< more: the longest silent one gives way, or 503 BUSY and closed
  int yield_ms = 5000;              ///< silent for this long between or in requests: gives way when all are taken
  int request_ms = 10000;           ///< from the first byte of a request to its last: a drip does not stretch it
  int idle_ms = 60000;              ///< between requests
  int write_ms = 10000;             ///< for a client that does not read its answers
  int last_request_ms = 1000;       ///< draining: an idle connection may bring one more request
};

/// Written by the loop's thread only, read by any.
struct ServerCounters {
  std::atomic<bool> listening{false};
  Counter requests;
  Counter malformed;
  Counter accepted;
  Counter turned_away;
  Counter yielded;
  Counter timed_out;   ///< connections that ended by a deadline of Limits
  Counter tls_failed;  ///< connections that ended in their handshake
  Counter connections;
  Counter answers_1xx_5xx[6];  ///< by the first digit of the status
};

class TlsContext;

class Server {
 public:
  /// The handler must outlive the server. The loop's thread makes, uses and destroys it.
  Server(loop::Loop& loop, Handler& handler, const Limits& limits = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Before listen(): answers carry the headers of the CORS protocol.
  void allow(const Cors& cors);
  Result<void> listen(const Address& address, PortSharing sharing);
  /// Takes over a listening, non-blocking descriptor: several servers may accept from copies of one.
  void listen_on_descriptor(int fd);
  [[nodiscard]] int port() const;

  /// Connections that come from now on speak TLS with this certificate.
  void use(std::shared_ptr<const TlsContext> tls);

  /// False when the client is gone: the answer was dropped.
  bool answer(Exchange exchange, const Answer& answer);
  bool refuse(Exchange exchange, Problem problem, std::string_view allow = {});

  /// Draining: new connections pass by (another process may listen on the port), those that are here are closed after
  /// their next answer (`Connection: close`), idle ones after a second. Done when `listening` is false and
  /// `connections` is 0.
  void drain();
  /// Closes what is left, answered or not.
  void close_all();
  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] std::size_t owed() const;  ///< answers
  [[nodiscard]] const ServerCounters& counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim::http
