// See keys.h.
#include "engine/door/keys.h"

#include "engine/door/secret_file.h"

namespace flashclaim::door {
namespace {

Result<Keys> parse(Auth auth, std::string_view text) {
  Keys keys;
  if (auth == Auth::kGateway) {
    auto parsed = parse_gateway_keys(text);
    if (!parsed) return parsed.error();
    keys.gateway = std::move(*parsed);
  } else {
    auto parsed = parse_jwks(text);
    if (!parsed) return parsed.error();
    keys.jwt = std::move(*parsed);
  }
  return keys;
}

}  // namespace

std::optional<Auth> parse_auth(std::string_view text) {
  if (text == "insecure-dev") return Auth::kInsecureDev;
  if (text == "gateway") return Auth::kGateway;
  if (text == "jwt") return Auth::kJwt;
  return std::nullopt;
}

std::string_view auth_word(Auth auth) {
  switch (auth) {
    case Auth::kInsecureDev:
      return "insecure-dev";
    case Auth::kGateway:
      return "gateway";
    case Auth::kJwt:
      return "jwt";
  }
  return {};
}

Result<std::shared_ptr<const Keys>> load_keys(Auth auth, const std::string& file) {
  if (auth == Auth::kInsecureDev) return std::make_shared<const Keys>();
  auto text = read_file(file, Secrecy::kPrivate);
  if (!text) return text.error();
  auto keys = parse(auth, *text);
  wipe(*text);
  if (!keys) return failure(file + ": " + keys.error().message);
  return std::make_shared<const Keys>(std::move(*keys));
}

}  // namespace flashclaim::door
