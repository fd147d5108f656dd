// One thread holds all sockets, sends a byte a second to each that drips, and counts those that were closed.
#include "tests/links/slow_clients.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string_view>

namespace flashclaim::links {
namespace {

constexpr auto kDrip = std::chrono::seconds(1);

int connect_to(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("a slow client cannot connect: errno " + std::to_string(errno));
  return fd;
}

std::string_view beginning(SlowKind kind) {
  switch (kind) {
    case SlowKind::kIdle:
      return "";
    case SlowKind::kHeaders:
      return "POST /coupons/1/receive HTTP/1.1\r\nHost: slow\r\nX-Slow: ";
    case SlowKind::kBody:
      return "POST /coupons/1/receive HTTP/1.1\r\nHost: slow\r\nX-User-Id: 7\r\nContent-Length: 4000\r\n\r\n";
  }
  return "";
}

}  // namespace

int SlowClients::most() {
  constexpr rlim_t kOfTheTest = 512;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int>(std::min<rlim_t>(limit.rlim_max, 1'000'000) - kOfTheTest);
}

SlowClients::SlowClients(int port, int count) {
  (void)most();  // where the soft limit is below `count`
  for (int i = 0; i < count; ++i) {
    const auto kind = static_cast<SlowKind>(i % 3);
    clients_.push_back({connect_to(port), kind});
    ++open_[static_cast<std::size_t>(kind)];
    const std::string_view bytes = beginning(kind);
    if (!bytes.empty()) (void)send(clients_.back().fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  thread_ = std::thread([this] { live(); });
}

SlowClients::~SlowClients() {
  stopping_ = true;
  thread_.join();
  for (const Client& client : clients_)
    if (client.fd >= 0) close(client.fd);
}

void SlowClients::live() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.u64 = i;
    epoll_ctl(epoll, EPOLL_CTL_ADD, clients_[i].fd, &event);
  }
  auto next_drip = std::chrono::steady_clock::now();
  while (!stopping_) {
    take_ends(epoll);
    if (std::chrono::steady_clock::now() < next_drip) continue;
    drip();
    next_drip += kDrip;
  }
  close(epoll);
}

void SlowClients::drip() {
  for (const Client& client : clients_)
    if (client.fd >= 0 && client.kind != SlowKind::kIdle) (void)send(client.fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/// Whatever the server says to such a client ends it: the answer, or the end of the connection.
void SlowClients::take_ends(int epoll) {
  epoll_event events[256];
  const int ready = epoll_wait(epoll, events, 256, 100);
  for (int i = 0; i < ready; ++i) {
    Client& client = clients_[events[i].data.u64];
    if (client.fd < 0) continue;
    close(client.fd);
    client.fd = -1;
    --open_[static_cast<std::size_t>(client.kind)];
  }
}

}  // namespace flashclaim::links
