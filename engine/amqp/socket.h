// A non-blocking TCP socket with deadlines: the only place of this room that touches the network.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace flashclaim::amqp {

using Clock = std::chrono::steady_clock;

/// Milliseconds from now until `at`, never negative, rounded up.
int milliseconds_until(Clock::time_point at);

/// Owns a descriptor. One thread. Never waits but in connect and wait, and there not beyond the given time.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;

  /// Name resolution included. Sets TCP_NODELAY, keep-alive and TCP_USER_TIMEOUT (a peer that acknowledges nothing).
  static Result<Socket> connect(const std::string& host, int port, Clock::time_point deadline);

  /// Bytes taken, 0 when the socket takes nothing now.
  Result<std::size_t> send(std::string_view bytes);
  /// Bytes read, 0 when there is nothing now; the peer's end of stream is an error.
  Result<std::size_t> receive(char* buffer, std::size_t size);
  /// Waits until it can be read (or written, when asked), or timeout_ms passed.
  void wait(bool or_writable, int timeout_ms) const;
  void close();

 private:
  int fd_ = -1;
};

}  // namespace flashclaim::amqp
