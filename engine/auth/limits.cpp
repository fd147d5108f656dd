// Asks the token buckets of the user and the address; an IPv6 address counts by its /64 network.
#include "engine/auth/limits.h"

#include <cstring>

namespace flashclaim::auth {
namespace {

struct AddressKey {
  std::uint64_t network = 0;
  std::uint64_t host = 0;  ///< of IPv4 only
};

AddressKey key_of(const http::Peer& peer) {
  AddressKey key;
  std::memcpy(&key.network, peer.address.data(), sizeof key.network);
  if (key.network == 0) std::memcpy(&key.host, peer.address.data() + sizeof key.network, sizeof key.host);
  return key;
}

}  // namespace

Limits::Limits(const Rates& rates)
    : rates_(rates),
      users_(rates.user_per_second > 0 ? std::make_unique<Buckets>(rates.user_per_second) : nullptr),
      addresses_(rates.address_per_second > 0 ? std::make_unique<Buckets>(rates.address_per_second) : nullptr),
      connections_(rates.address_connections > 0 ? std::make_unique<ConnectionCap>(rates.address_connections)
                                                 : nullptr) {}

std::int64_t Limits::user_waits(std::int64_t user_id, std::int64_t now_us) noexcept {
  return users_ ? users_->take(static_cast<std::uint64_t>(user_id), 0, now_us) : 0;
}

std::int64_t Limits::address_waits(const http::Peer& peer, std::int64_t now_us) noexcept {
  if (!addresses_) return 0;
  const AddressKey key = key_of(peer);
  return addresses_->take(key.network, key.host, now_us);
}

bool Limits::connection_enters(const http::Peer& peer) noexcept {
  if (!connections_) return true;
  const AddressKey key = key_of(peer);
  return connections_->enter(key.network, key.host);
}

void Limits::connection_left(const http::Peer& peer) noexcept {
  if (!connections_) return;
  const AddressKey key = key_of(peer);
  connections_->leave(key.network, key.host);
}

}  // namespace flashclaim::auth
