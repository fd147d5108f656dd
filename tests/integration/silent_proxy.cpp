// See silent_proxy.h.
#include "tests/integration/silent_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace flashclaim::test {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr* plain(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

}  // namespace

SilentProxy::SilentProxy(int target_port) : target_port_(target_port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  if (listener_ < 0 || ::bind(listener_, plain(address), sizeof address) != 0 || ::listen(listener_, 16) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("the proxy cannot listen");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

SilentProxy::~SilentProxy() {
  stop_ = true;
  thread_.join();
  ::close(listener_);
}

void SilentProxy::cut() {
  cut_ = true;
  while (cut_) std::this_thread::yield();
}

void SilentProxy::accept_one() {
  Pair pair;
  pair.client = ::accept(listener_, nullptr, nullptr);
  pair.target = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(target_port_);
  if (::connect(pair.target, plain(address), sizeof address) == 0) {
    pairs_.push_back(pair);
    return;
  }
  ::close(pair.client);
  ::close(pair.target);
}

bool SilentProxy::forward(int from, int to, bool towards_target) {
  char buffer[4096];
  auto got = ::recv(from, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got < 0) return true;
  if (got == 0) return false;
  for (ssize_t at = 0; at < got;) {
    auto sent = ::send(to, buffer + at, static_cast<std::size_t>(got - at), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) at += sent;
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < 0 && (stop_ || silent_ || cut_)) return true;
  }
  if (towards_target) forwarded_ += static_cast<std::size_t>(got);
  return true;
}

void SilentProxy::run() {
  while (!stop_) {
    std::vector<pollfd> waiting = {{listener_, POLLIN, 0}};
    if (!silent_)
      for (const Pair& pair : pairs_) {
        waiting.push_back({pair.client, POLLIN, 0});
        waiting.push_back({pair.target, POLLIN, 0});
      }
    ::poll(waiting.data(), waiting.size(), 5);
    bool cut = cut_;
    std::vector<Pair> kept;
    for (const Pair& pair : pairs_) {
      bool open =
          !cut && (silent_ || (forward(pair.client, pair.target, true) && forward(pair.target, pair.client, false)));
      if (open) {
        kept.push_back(pair);
      } else {
        ::close(pair.client);
        ::close(pair.target);
      }
    }
    pairs_ = std::move(kept);
    if (cut) cut_ = false;
    if (waiting[0].revents != 0) accept_one();
  }
  for (const Pair& pair : pairs_) {
    ::close(pair.client);
    ::close(pair.target);
  }
}

}  // namespace flashclaim::test
