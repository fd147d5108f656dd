// Reads the key file as the scheme wants it, and says which keys are now in force.
#include "engine/auth/keys.h"

#include "engine/base/secret_file.h"
#include "engine/base/try.h"

namespace flashclaim::auth {
namespace {

Result<Keys> parse(Scheme scheme, std::string_view text) {
  Keys keys;
  if (scheme == Scheme::kGateway) {
    keys.gateway = TRY(parse_gateway_keys(text));
  } else {
    keys.jwt = TRY(parse_jwks(text));
  }
  return keys;
}

}  // namespace

std::optional<Scheme> parse_scheme(std::string_view text) {
  if (text == "insecure-dev") return Scheme::kInsecureDev;
  if (text == "gateway") return Scheme::kGateway;
  if (text == "jwt") return Scheme::kJwt;
  return std::nullopt;
}

std::string_view scheme_word(Scheme scheme) {
  switch (scheme) {
    case Scheme::kInsecureDev:
      return "insecure-dev";
    case Scheme::kGateway:
      return "gateway";
    case Scheme::kJwt:
      return "jwt";
  }
  return {};
}

Result<std::shared_ptr<const Keys>> load_keys(Scheme scheme, const std::string& file) {
  if (scheme == Scheme::kInsecureDev) return std::make_shared<const Keys>();
  auto text = TRY(read_secret_file(file, SecretFor::kGroup));
  auto keys = parse(scheme, text);
  wipe(text);
  if (!keys) return failure(file + ": " + keys.error().message);
  return std::make_shared<const Keys>(std::move(*keys));
}

}  // namespace flashclaim::auth
