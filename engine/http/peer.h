// The other end of a connection, as the kernel names it.
#pragma once

#include <array>
#include <cstdint>

struct sockaddr;

namespace flashclaim::http {

struct Peer {
  enum class Kind : std::uint8_t { kUnixSocket, kInternet };
  Kind kind = Kind::kUnixSocket;
  std::array<std::uint8_t, 16> address{};  ///< of kInternet: IPv6, or IPv4 in its mapped form (::ffff:a.b.c.d)
};

/// What accept4 or inet_pton has filled in; any family but the two of the internet is a unix socket.
Peer peer_of(const sockaddr& address);

}  // namespace flashclaim::http
