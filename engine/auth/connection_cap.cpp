// Each address counts in two cells, chosen by a keyed hash; the smaller of both bounds what it holds.
#include "engine/auth/connection_cap.h"

#include <algorithm>
#include <bit>

#include "engine/auth/buckets.h"

namespace flashclaim::auth {

ConnectionCap::ConnectionCap(int per_address, std::size_t places)
    : per_address_(static_cast<std::uint32_t>(per_address)),
      seed_(secret_seed()),
      row_(std::bit_ceil(places)),
      counts_(new std::atomic<std::uint32_t>[2 * row_]()) {}

ConnectionCap::Places ConnectionCap::places_of(std::uint64_t a, std::uint64_t b) const {
  const std::uint64_t hash = keyed_hash(seed_, a, b);
  return {counts_[hash & (row_ - 1)], counts_[row_ + ((hash >> 32) & (row_ - 1))]};
}

bool ConnectionCap::enter(std::uint64_t a, std::uint64_t b) noexcept {
  auto [first, second] = places_of(a, b);
  const std::uint32_t held = std::min(first.fetch_add(1, std::memory_order_relaxed),  //
                                      second.fetch_add(1, std::memory_order_relaxed));
  if (held < per_address_) return true;
  leave(a, b);
  return false;
}

void ConnectionCap::leave(std::uint64_t a, std::uint64_t b) noexcept {
  auto [first, second] = places_of(a, b);
  first.fetch_sub(1, std::memory_order_relaxed);
  second.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace flashclaim::auth
