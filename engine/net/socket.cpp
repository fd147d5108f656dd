// Sets TCP_NODELAY, keep-alive and TCP_USER_TIMEOUT (a peer that acknowledges nothing) on each socket.
#include "engine/net/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/base/try.h"
#include "engine/net/tls_client.h"

namespace flashclaim::net {
namespace {

void set_option(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

void set_options(int fd) {
  constexpr int kUnacknowledgedMs = 5000;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMs);
}

/// Waits until the attempt of begin() has ended.
Result<void> await(const Socket& socket, Clock::time_point deadline) {
  pollfd waiting{socket.fd(), POLLOUT, 0};
  int ready;
  do {
    ready = ::poll(&waiting, 1, milliseconds_until(deadline));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return failure("timed out");
  return socket.connected();
}

}  // namespace

Socket::Socket() = default;
Socket::Socket(int fd) : fd_(fd) {}
Socket::~Socket() { close(); }
Socket::Socket(Socket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), heard_(other.heard_), tls_(std::move(other.tls_)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(heard_, other.heard_);
  std::swap(tls_, other.tls_);
  return *this;
}

void Socket::close() {
  if (tls_) tls_->say_goodbye();
  tls_.reset();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<Socket> Socket::begin(const std::string& address, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found); error != 0)
    return failure(address + " is no IP address: " + gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> where(found, freeaddrinfo);
  Socket socket(::socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.open()) return failure(std::string("socket: ") + std::strerror(errno));
  set_options(socket.fd_);
  if (::connect(socket.fd_, where->ai_addr, where->ai_addrlen) != 0 && errno != EINPROGRESS)
    return failure(std::strerror(errno));
  return socket;
}

Result<void> Socket::connected() const {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? Result<void>() : failure(std::strerror(error));
}

Result<Socket> Socket::connect(const std::string& host, int port, Clock::time_point deadline) {
  const auto addresses = TRY(addresses_of(host, deadline));
  std::string reason;
  for (const std::string& address : addresses) {
    auto socket = begin(address, port);
    const auto up = socket ? await(*socket, deadline) : Result<void>(socket.error());
    if (up) return socket;
    reason = up.error().message;
  }
  return failure("cannot connect to " + host + ":" + std::to_string(port) + ": " + reason);
}

void Socket::set_unacknowledged_ms(int timeout_ms) { set_option(fd_, IPPROTO_TCP, TCP_USER_TIMEOUT, timeout_ms); }

Result<void> Socket::begin_tls(const TlsFiles& files, const std::string& host) {
  tls_ = TRY(TlsClient::prepare(files, host, fd_));
  return {};
}

Result<bool> Socket::handshake() { return tls_->handshake(); }

Result<void> Socket::secure(const TlsFiles& files, const std::string& host, Clock::time_point deadline) {
  TRY(begin_tls(files, host));
  for (;;) {
    const bool done = TRY(handshake());
    if (done) return {};
    wait(false, milliseconds_until(deadline));
    if (milliseconds_until(deadline) == 0) return failure(kNoHandshakeInTime);
  }
}

std::uint64_t Socket::heard() const { return tls_ ? tls_->heard() : heard_; }

Result<std::size_t> Socket::send(std::string_view bytes) {
  if (tls_) return tls_->send(bytes);
  ssize_t sent;
  do {
    sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
  return failure(std::string("send: ") + std::strerror(errno));
}

Result<std::size_t> Socket::receive(char* buffer, std::size_t size) {
  if (tls_) return tls_->receive(buffer, size);
  ssize_t got;
  do {
    got = ::recv(fd_, buffer, size, 0);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    heard_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }
  if (got == 0) return failure("the server closed the connection");
  if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
  return failure(std::string("receive: ") + std::strerror(errno));
}

short Socket::events(bool sending) const {
  if (tls_) return tls_->events(sending);
  return static_cast<short>(POLLIN | (sending ? POLLOUT : 0));
}

bool Socket::wait(bool or_writable, int timeout_ms) const {
  pollfd waiting{fd_, events(or_writable), 0};
  return ::poll(&waiting, 1, timeout_ms) != 0;  // a signal: the caller looks for itself
}

}  // namespace flashclaim::net
