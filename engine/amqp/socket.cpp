// Resolves the host, tries its addresses in turn, and waits with poll() for the deadline.
#include "engine/amqp/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "engine/amqp/tls.h"
#include "engine/base/try.h"

namespace flashclaim::amqp {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};
using Addresses = std::vector<Address>;

Result<Addresses> look_up(const std::string& host, int port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (error != 0) return failure("cannot resolve " + host + ": " + gai_strerror(error));
  Addresses found;
  for (addrinfo* at = list; at != nullptr; at = at->ai_next) {
    Address& address = found.emplace_back();
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
  }
  freeaddrinfo(list);
  return found;
}

/// getaddrinfo has no deadline: for a name it runs in a thread that is left behind when it is late.
Result<Addresses> resolve(const std::string& host, int port, Clock::time_point deadline) {
  auto literal = look_up(host, port, AI_NUMERICHOST);
  if (literal) return literal;
  auto promise = std::make_shared<std::promise<Result<Addresses>>>();
  auto found = promise->get_future();
  std::thread([promise, host, port] { promise->set_value(look_up(host, port, 0)); }).detach();
  if (found.wait_until(deadline) != std::future_status::ready) return failure("resolving " + host + " timed out");
  return found.get();
}

void set_option(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

void set_options(int fd) {
  constexpr int kUserTimeoutMs = 5000;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
}

Result<Socket> connect_one(const Address& address, Clock::time_point deadline) {
  int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(std::string("socket: ") + std::strerror(errno));
  Socket socket(fd);
  set_options(fd);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0) return socket;
  if (errno != EINPROGRESS) return failure(std::strerror(errno));
  pollfd waiting{fd, POLLOUT, 0};
  int ready;
  do {
    ready = ::poll(&waiting, 1, milliseconds_until(deadline));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return failure("timed out");
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return failure(std::strerror(error));
  return socket;
}

}  // namespace

int milliseconds_until(Clock::time_point at) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(at - Clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

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

Result<Socket> Socket::connect(const std::string& host, int port, Clock::time_point deadline) {
  auto addresses = TRY(resolve(host, port, deadline));
  std::string reason = "no address";
  for (const Address& address : addresses) {
    auto socket = connect_one(address, deadline);
    if (socket) return socket;
    reason = socket.error().message;
  }
  return failure("cannot connect to " + host + ":" + std::to_string(port) + ": " + reason);
}

Result<void> Socket::secure(const TlsFiles& files, const std::string& host, Clock::time_point deadline) {
  auto tls = TRY(Tls::prepare(files, host, fd_));
  for (;;) {
    auto done = TRY(tls->shake_hands());
    if (done) break;
    pollfd waiting{fd_, tls->events(false), 0};
    ::poll(&waiting, 1, milliseconds_until(deadline));
    if (milliseconds_until(deadline) == 0) return failure("the TLS handshake with the broker did not end in time");
  }
  tls_ = std::move(tls);
  return {};
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
  if (got == 0) return failure("the broker closed the connection");
  if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
  return failure(std::string("receive: ") + std::strerror(errno));
}

void Socket::wait(bool or_writable, int timeout_ms) const {
  const int plain = POLLIN | (or_writable ? POLLOUT : 0);
  pollfd waiting{fd_, tls_ ? tls_->events(or_writable) : static_cast<short>(plain), 0};
  ::poll(&waiting, 1, timeout_ms);
}

}  // namespace flashclaim::amqp
