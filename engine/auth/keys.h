// The keys that are in force: read from a file at the start and again at SIGHUP.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/auth/gateway.h"
#include "engine/auth/jwks.h"
#include "engine/base/result.h"

namespace flashclaim::auth {

enum class Scheme {
  kInsecureDev,  ///< X-User-Id is believed; on loopback only
  kGateway,      ///< X-User-Id, signed by a listed gateway
  kJwt,          ///< Authorization: Bearer <token>
};
/// `insecure-dev`, `gateway` or `jwt`.
std::optional<Scheme> parse_scheme(std::string_view text);
std::string_view scheme_word(Scheme scheme);

/// Immutable: each thread holds one until it is handed the next.
struct Keys {
  std::vector<GatewayKey> gateway;
  std::vector<JwtKey> jwt;
};

/// The keys of the file that the scheme wants; for insecure-dev none is read. The error is a sentence that names the
/// file.
Result<std::shared_ptr<const Keys>> load_keys(Scheme scheme, const std::string& file);

}  // namespace flashclaim::auth
