// A non-blocking TCP socket with deadlines, plain or with TLS inside.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/net/resolve.h"
#include "engine/net/tls_files.h"

namespace flashclaim::net {

class TlsClient;

/// Owns a descriptor. One thread. Never waits but in connect, secure and wait, and there not beyond the given time.
class Socket {
 public:
  Socket();  ///< closed
  explicit Socket(int fd);
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;

  /// Name resolution included; the addresses of the host are tried in turn.
  static Result<Socket> connect(const std::string& host, int port, Clock::time_point deadline);
  /// TLS from here on: does the handshake and verifies that the peer is `host`.
  Result<void> secure(const TlsFiles& files, const std::string& host, Clock::time_point deadline);

  /// The same in steps, for a loop. begin: an IP literal; the socket becomes writable when the attempt has ended.
  static Result<Socket> begin(const std::string& address, int port);
  /// How the attempt ended.
  Result<void> connected() const;
  Result<void> begin_tls(const TlsFiles& files, const std::string& host);
  /// As far as it goes now; true when it is done. Waits for what events() says.
  Result<bool> handshake();

  [[nodiscard]] bool open() const { return fd_ >= 0; }
  [[nodiscard]] int fd() const { return fd_; }
  /// For how long the peer's kernel may leave what was sent unacknowledged (TCP_USER_TIMEOUT); 5 s unless told.
  void set_unacknowledged_ms(int timeout_ms);

  /// Bytes taken, 0 when the socket takes nothing now. What was not taken comes first in the next call.
  Result<std::size_t> send(std::string_view bytes);
  /// Bytes read, 0 when there is nothing now; fewer than `size`: nothing more now. The peer's end of stream is an
  /// error.
  Result<std::size_t> receive(char* buffer, std::size_t size);
  /// Bytes that came over the network: a peer is alive that is in the middle of a TLS record.
  [[nodiscard]] std::uint64_t heard() const;
  /// What to wait for, POLLIN and POLLOUT; `sending`: there is something to send.
  [[nodiscard]] short events(bool sending) const;
  /// Waits until it can be read (or written, when asked); false: not within timeout_ms.
  bool wait(bool or_writable, int timeout_ms) const;
  void close();

 private:
  int fd_ = -1;
  std::uint64_t heard_ = 0;  // without TLS
  std::unique_ptr<TlsClient> tls_;
};

}  // namespace flashclaim::net
