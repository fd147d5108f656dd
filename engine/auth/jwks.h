// The keys that tokens are verified with: a JSON Web Key Set (RFC 7517), as identity providers publish it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/auth/hmac.h"
#include "engine/base/result.h"

struct evp_pkey_st;

namespace flashclaim::auth {

enum class Algorithm { kHs256, kRs256, kEs256, kEdDsa };
/// `HS256`, `RS256`, `ES256`, `EdDSA`, exact match; anything else, `none` above all, is nullopt.
std::optional<Algorithm> parse_algorithm(std::string_view text);

/// A key is for one algorithm, which its file names: a token that names another is refused whatever its signature.
struct JwtKey {
  std::string id;
  Algorithm algorithm;
  std::optional<HmacSha256> hmac;              ///< of kHs256
  std::shared_ptr<evp_pkey_st> verifies = {};  ///< of the others: the public half
};

/// Each key needs `kid` (1 to 64 bytes, not twice), `alg` and `kty` that fit: HS256 oct (at least 32 bytes), RS256 RSA
/// (at least 2048 bits), ES256 EC on P-256, EdDSA OKP on Ed25519. `use`, if there, is `sig`. A set that holds a private
/// key is refused: it has no business here. The error says which key is wrong, never what it holds.
Result<std::vector<JwtKey>> parse_jwks(std::string_view json);

}  // namespace flashclaim::auth
