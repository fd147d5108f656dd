// What one user and one address may ask of this process: shared by the filters of all threads.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/auth/buckets.h"
#include "engine/auth/connection_cap.h"
#include "engine/http/peer.h"

namespace flashclaim::auth {

/// 0: no such limit.
struct Rates {
  int user_per_second = 0;      ///< requests of one user
  int address_per_second = 0;   ///< requests of one address, whoever the user is
  int address_connections = 0;  ///< open at once from one address
};

/// Any thread; nothing here blocks or allocates. IPv6 counts by /64: one household has that many addresses.
class Limits {
 public:
  explicit Limits(const Rates& rates);

  /// Milliseconds to wait; 0: come in.
  std::int64_t user_waits(std::int64_t user_id, std::int64_t now_us) noexcept;
  std::int64_t address_waits(const http::Peer& peer, std::int64_t now_us) noexcept;
  bool connection_enters(const http::Peer& peer) noexcept;
  void connection_left(const http::Peer& peer) noexcept;

  [[nodiscard]] const Rates& rates() const { return rates_; }

 private:
  Rates rates_;
  std::unique_ptr<Buckets> users_;
  std::unique_ptr<Buckets> addresses_;
  std::unique_ptr<ConnectionCap> connections_;
};

}  // namespace flashclaim::auth
