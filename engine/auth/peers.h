// Addresses and networks: who is one of ours.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/http/peer.h"

namespace flashclaim::auth {

class PeerList {
 public:
  /// `10.0.0.0/8,192.0.2.7,fd00::/8`; empty: nobody. Names are not resolved.
  static Result<PeerList> parse(std::string_view text);

  /// A peer on a unix socket is always one of ours: who may open it, the file's mode says.
  [[nodiscard]] bool contains(const http::Peer& peer) const;

 private:
  struct Network {
    std::array<std::uint8_t, 16> address{};
    int bits = 128;
  };
  std::vector<Network> networks_;
};

}  // namespace flashclaim::auth
