// The scheme `gateway`: a proxy that knows the user says who it is, and signs what it says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/auth/credentials.h"
#include "engine/auth/hmac.h"
#include "engine/base/result.h"
#include "engine/http/request.h"

namespace flashclaim::auth {

/// A secret that gateways sign with. Several may be in force at once: that is how they are changed.
struct GatewayKey {
  std::string id;  ///< 1 to 32 of `A-Z a-z 0-9 _ . -`
  HmacSha256 hmac;
};

/// Lines `<id> <secret in hex, 32 to 128 bytes>`; blank lines and those that begin with # are passed over. The error
/// names the line, never its contents.
Result<std::vector<GatewayKey>> parse_gateway_keys(std::string_view text);

/// What a gateway says, and signs.
struct GatewayWords {
  std::string_view method;
  std::string_view path;  ///< as it is sent, without the query
  std::string_view user;
  std::string_view time;                                           ///< unix seconds
  std::optional<std::string_view> idempotency_key = std::nullopt;  ///< of the request, where it has one
};

/// HMAC over method, path, user and time, joined by newlines, and then a line `name:value` for each header that is
/// signed where it is sent: `idempotency-key`. (Further ones go behind it, each with its name: no text has two
/// readings.)
Digest gateway_signature(const HmacSha256& hmac, const GatewayWords& words);

/// Whether a listed key signed these credentials for this request, within 30 s of `now_s`. No allocation.
Fault check_gateway(const std::vector<GatewayKey>& keys, const http::Request& request, const Credentials& shown,
                    std::int64_t now_s);

/// 64 lower-case digits.
std::string hex_of(const Digest& digest);

}  // namespace flashclaim::auth
