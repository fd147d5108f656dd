// A non-blocking TCP socket with deadlines, plain or with TLS inside.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/amqp/endpoint.h"
#include "engine/base/result.h"

namespace flashclaim::amqp {

class Tls;
using Clock = std::chrono::steady_clock;

/// Milliseconds from now until `at`, never negative, rounded up.
int milliseconds_until(Clock::time_point at);

/// Owns a descriptor. One thread. Never waits but in connect, secure and wait, and there not beyond the given time.
class Socket {
 public:
  explicit Socket(int fd);
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;

  /// Name resolution included. Sets TCP_NODELAY, keep-alive and TCP_USER_TIMEOUT (a peer that acknowledges nothing).
  static Result<Socket> connect(const std::string& host, int port, Clock::time_point deadline);

  /// TLS from here on: shakes hands and verifies that the peer is `host`.
  Result<void> secure(const TlsFiles& files, const std::string& host, Clock::time_point deadline);

  /// Bytes taken, 0 when the socket takes nothing now. What was not taken comes first in the next call.
  Result<std::size_t> send(std::string_view bytes);
  /// Bytes read, 0 when there is nothing now; fewer than `size`: nothing more now. The peer's end of stream is an
  /// error.
  Result<std::size_t> receive(char* buffer, std::size_t size);
  /// Bytes that came over the network: a peer is alive that is in the middle of a TLS record.
  [[nodiscard]] std::uint64_t heard() const;
  /// Waits until it can be read (or written, when asked), or timeout_ms passed.
  void wait(bool or_writable, int timeout_ms) const;
  void close();

 private:
  int fd_ = -1;
  std::uint64_t heard_ = 0;  // without TLS
  std::unique_ptr<Tls> tls_;
};

}  // namespace flashclaim::amqp
