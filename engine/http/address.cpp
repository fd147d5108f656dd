// Parses the address, binds it, and removes a unix socket that a dead process left behind.
#include "engine/http/address.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "engine/base/ids.h"

namespace flashclaim::http {
namespace {

std::string explain(const Address& address, int error) {
  if (error == EADDRINUSE) return address.text() + " is taken by another program: stop it, or choose another port";
  return "cannot listen on " + address.text() + ": " + std::strerror(error);
}

}  // namespace

socklen_t fill_sockaddr(const Address& address, sockaddr_storage& storage) {
  if (address.is_unix()) {
    auto* local = reinterpret_cast<sockaddr_un*>(&storage);
    local->sun_family = AF_UNIX;
    address.unix_path.copy(local->sun_path, sizeof local->sun_path - 1);
    return sizeof *local;
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, address.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<std::uint16_t>(address.port));
    return sizeof *v4;
  }
  if (inet_pton(AF_INET6, address.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<std::uint16_t>(address.port));
    return sizeof *v6;
  }
  return 0;
}

Peer peer_of(const sockaddr& address) {
  Peer peer;
  if (address.sa_family == AF_INET) {
    peer.kind = Peer::Kind::kInternet;
    peer.address[10] = peer.address[11] = 0xff;
    std::memcpy(&peer.address[12], &reinterpret_cast<const sockaddr_in&>(address).sin_addr, 4);
  } else if (address.sa_family == AF_INET6) {
    peer.kind = Peer::Kind::kInternet;
    std::memcpy(peer.address.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, peer.address.size());
  }
  return peer;
}

Peer peer_of(const Address& address) {
  sockaddr_storage filled{};
  (void)fill_sockaddr(address, filled);
  return peer_of(reinterpret_cast<const sockaddr&>(filled));
}

std::string Address::text() const {
  if (is_unix()) return "unix:" + unix_path;
  bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> parse_address(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) {
    const std::string_view path = text.substr(kUnix.size());
    if (path.size() < 2 || path.front() != '/' || path.size() >= sizeof(sockaddr_un::sun_path))
      return failure("'" + std::string(text) +
                     "' is not an address like unix:/run/flashclaim.sock (at most 107 bytes)");
    return Address{"", 0, std::string(path)};
  }
  std::string quoted = "'" + std::string(text) + "'";
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return failure(quoted + " is not an address like 127.0.0.1:8080");
  auto port = parse_number(text.substr(colon + 1), 65535);
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  Address address{std::string(host), port ? static_cast<int>(*port) : 0, ""};
  sockaddr_storage ignored{};
  if (!port || fill_sockaddr(address, ignored) == 0) return failure(quoted + " is not an address like 127.0.0.1:8080");
  return address;
}

namespace {

/// A socket file outlives the process that made it.
void remove_if_abandoned(const Address& address, const sockaddr_storage& where, socklen_t size) {
  struct stat about {};
  if (lstat(address.unix_path.c_str(), &about) != 0 || !S_ISSOCK(about.st_mode)) return;
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(probe, reinterpret_cast<const sockaddr*>(&where), size) != 0 && errno == ECONNREFUSED)
    unlink(address.unix_path.c_str());
  close(probe);
}

}  // namespace

Result<int> listen_on(const Address& address, PortSharing sharing) {
  constexpr int kBacklog = 4096;
  sockaddr_storage where{};
  const socklen_t size = fill_sockaddr(address, where);
  if (size == 0) return failure(address.host + " is not an IP address");
  int fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(explain(address, errno));
  if (address.is_unix()) remove_if_abandoned(address, where, size);
  int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (sharing == PortSharing::kShared) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&where), size) == 0;
  // Nobody can connect before listen: until then the umask may have given the file another mode.
  const bool ours =
      bound && (!address.is_unix() || chmod(address.unix_path.c_str(), S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) == 0);
  if (!ours || ::listen(fd, kBacklog) != 0) {
    int error = errno;
    close(fd);
    return failure(explain(address, error));
  }
  return fd;
}

void let_newcomers_pass(int listen_fd) {
  constexpr unsigned kFlagsAt = 13;  // in the TCP header, where a TCP socket's filter begins
  constexpr unsigned kSyn = 0x02;
  sock_filter drop_syn[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlagsAt),
                            BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kSyn, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
                            BPF_STMT(BPF_RET | BPF_K, ~0U)};
  const sock_fprog program{static_cast<unsigned short>(std::size(drop_syn)), drop_syn};
  // A kernel that refuses leaves things as they would be without it.
  setsockopt(listen_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

int bound_port(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  return storage.ss_family == AF_INET6 ? ntohs(reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port)
                                       : ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
}

}  // namespace flashclaim::http
