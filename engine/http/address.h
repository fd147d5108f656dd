// A listening address, `host:port` or `unix:/path`.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/http/peer.h"

namespace flashclaim::http {

struct Address {
  std::string host;            ///< an IPv4 or IPv6 literal
  int port = 0;                ///< 0: the kernel chooses
  std::string unix_path = {};  ///< not empty: a unix socket, and no host

  [[nodiscard]] bool is_unix() const { return !unix_path.empty(); }
  [[nodiscard]] std::string text() const;
};
/// `127.0.0.1:8080`, `[::1]:8080` or `unix:/absolute/path`. Names are not resolved.
Result<Address> parse_address(std::string_view text);
/// For connect() and bind(): its size, 0 when the address is no literal.
socklen_t fill_sockaddr(const Address& address, sockaddr_storage& storage);
/// The same address as one that connects from it.
Peer peer_of(const Address& address);

enum class PortSharing { kExclusive, kShared };
/// A non-blocking listening socket; kShared sets SO_REUSEPORT: one listener per thread on the same port. The error is a
/// sentence that names the address and what to do. The caller owns the descriptor. A unix socket gets the mode 0660; a
/// socket file that nobody listens on any more is replaced.
Result<int> listen_on(const Address& address, PortSharing sharing);
int bound_port(int fd);
/// From now on the kernel drops the SYN of new connections to this listener; the client sends it again a second later
/// and finds another listener of the port, or none. Handshakes under way still arrive here. Without it, whoever stood
/// in the queue of a listener that closes would be reset.
void let_newcomers_pass(int listen_fd);

}  // namespace flashclaim::http
