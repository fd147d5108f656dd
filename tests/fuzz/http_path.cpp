// Bytes over a real connection through the server, the router and the claim handler to answers (Redis is away): every
// input is answered or closed, and the answers do not depend on how the bytes were cut.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/claim/claim_handler.h"
#include "engine/pages/site.h"
#include "engine/redis/subscriber.h"

using namespace flashclaim;

namespace {

int start_server() {
  std::promise<int> port;
  std::thread([&port] {
    loop::Loop loop;
    pages::Site site;
    claim::ClaimHandler handler(loop);
    auth::AuthFilter door;
    http::Server server(loop, door);
    auto client = redis::AsyncClient::create(loop, "redis://127.0.0.1:1/0", {.backoff_min_ms = 600'000});
    auto subscriber = redis::Subscriber::create(loop, "redis://127.0.0.1:1/0", handler.listener());
    site.bind(server, **client, door, {});
    handler.bind(server, **client, **subscriber, door, site);
    door.bind(server, handler);
    if (!server.listen({"127.0.0.1", 0}, http::PortSharing::kExclusive)) std::abort();
    port.set_value(server.port());
    loop.run();
  }).detach();
  return port.get_future().get();
}

int open_socket() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval patience{60, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const linger reset{1, 0};  // no TIME_WAIT: millions of connections
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  return fd;
}

/// Waits while this machine has no port to spare: that is nobody's finding.
int connect_to(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int attempt = 0; attempt < 3000; ++attempt) {
    const int fd = open_socket();
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    if (errno != EADDRNOTAVAIL && errno != EINTR) break;
    ::close(fd);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::perror("connect");
  std::abort();
}

/// All that the server says to the bytes; it must close the connection by itself once the client has half-closed.
std::string answers(int port, std::string_view bytes, std::size_t chunk) {
  const int fd = connect_to(port);
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), std::min(chunk, bytes.size()), MSG_NOSIGNAL);
    if (sent <= 0) break;  // the server said its last word already
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  ::shutdown(fd, SHUT_WR);
  std::string said;
  char buffer[16384];
  ssize_t got = 0;
  while ((got = ::recv(fd, buffer, sizeof buffer, 0)) > 0) said.append(buffer, static_cast<std::size_t>(got));
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) std::abort();  // neither answered nor closed
  ::close(fd);
  return said;
}

/// The statuses, without `100 Continue` (which depends on when a head arrives) and without a last refusal of the bytes
/// as such (which of them is noticed first depends on the cut).
std::vector<std::string> statuses(const std::string& said) {
  std::vector<std::string> all;
  const std::string_view mark = "HTTP/1.1 ";
  if (!said.empty() && !said.starts_with(mark)) std::abort();
  for (auto at = said.find(mark); at != std::string::npos; at = said.find(mark, at + 1))
    if (const auto status = said.substr(at + mark.size(), 3); status != "100") all.push_back(status);
  if (!all.empty() && (all.back() == "400" || all.back() == "413" || all.back() == "431")) all.pop_back();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int kPort = start_server();
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t chunk = data[0] == 0 ? 1 : data[0];
  const auto whole = statuses(answers(kPort, bytes, bytes.size() + 1));
  if (whole != statuses(answers(kPort, bytes, chunk))) {
    std::fprintf(stderr, "the answers depend on the cut\n");
    std::abort();
  }
  return 0;
}
