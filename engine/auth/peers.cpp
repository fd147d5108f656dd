// IPv4 addresses are compared in their IPv6-mapped form, so that one listener for both families knows them too.
#include "engine/auth/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>
#include <optional>
#include <string>

#include "engine/base/ids.h"

namespace flashclaim::auth {
namespace {

constexpr int kMappedBits = 96;  // before the four bytes of an IPv4 address

struct Literal {
  http::Peer peer;
  bool v4 = false;
};

std::optional<Literal> literal_from(const std::string& text) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1)
    return Literal{http::peer_of(reinterpret_cast<const sockaddr&>(v4)), true};
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1)
    return Literal{http::peer_of(reinterpret_cast<const sockaddr&>(v6)), false};
  return std::nullopt;
}

bool same_prefix(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b, int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  const int rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

}  // namespace

Result<PeerList> PeerList::parse(std::string_view text) {
  PeerList list;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string entry(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const auto slash = entry.find('/');
    const auto literal = literal_from(entry.substr(0, slash));
    if (!literal) return failure("'" + entry + "' is not an address or network like 10.0.0.0/8");
    Network network{literal->peer.address, 128};
    if (slash != std::string::npos) {
      const auto bits = parse_number(std::string_view(entry).substr(slash + 1), literal->v4 ? 32 : 128);
      if (!bits) return failure("'" + entry + "' is not an address or network like 10.0.0.0/8");
      network.bits = static_cast<int>(*bits) + (literal->v4 ? kMappedBits : 0);
    }
    list.networks_.push_back(network);
  }
  return list;
}

bool PeerList::contains(const http::Peer& peer) const {
  if (peer.kind == http::Peer::Kind::kUnixSocket) return true;
  for (const Network& network : networks_)
    if (same_prefix(peer.address, network.address, network.bits)) return true;
  return false;
}

}  // namespace flashclaim::auth
