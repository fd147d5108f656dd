// The scheme `jwt`: a signed token (RFC 7519, JWS compact) that says who its bearer is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/auth/credentials.h"
#include "engine/auth/jwks.h"

namespace flashclaim::auth {

struct TokenUser {
  Fault fault = Fault::kNone;
  std::string_view user = {};  ///< its `sub`, digits; valid until the next call
  std::int64_t user_id = 0;
};

/// One thread. Keeps its buffers between tokens.
class TokenReader {
 public:
  explicit TokenReader(std::string audience);
  ~TokenReader();
  TokenReader(const TokenReader&) = delete;
  TokenReader& operator=(const TokenReader&) = delete;

  /// Believed is what a listed key has signed with the algorithm that it is for, that has `exp` and, if it has it,
  /// `nbf` around `now_s` (30 s of skew allowed), an `aud` that is or holds ours, and a `sub` that is a user id. A
  /// member that stands twice, a `crit`, a `typ` that is no JWT: refused. Claims are looked at after the signature
  /// only.
  TokenUser read(const std::vector<JwtKey>& keys, std::string_view token, std::int64_t now_s);

 private:
  struct State;
  std::string audience_;
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim::auth
