// What an operator writes: URLs with their parameters, key files, lists of gateways. No error repeats what may be a
// secret.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "engine/amqp/endpoint.h"
#include "engine/auth/gateway.h"
#include "engine/auth/jwks.h"
#include "engine/auth/peers.h"

using namespace flashclaim;

namespace {

/// The longest word that an error sentence of these has, and shorter than any secret that is taken.
constexpr std::size_t kLongestWord = 20;

void require(bool holds) {
  if (!holds) std::abort();
}

void tells_no_secret(const Error& error) {
  std::size_t length = 0;
  for (const char c : error.message) {
    length = c == ' ' ? 0 : length + 1;
    require(length <= kLongestWord);
  }
  require(!error.message.empty() && error.message.size() < 200);
}

void endpoint(const std::string& text) {
  const auto taken = amqp::parse_endpoint(text);
  if (!taken) return tells_no_secret(taken.error());
  require(taken->url.port > 0 && taken->url.port <= 65535 && !taken->host.empty() && !taken->url.path.empty());
  require(taken->files.certificate.empty() == taken->files.key.empty());
  require(taken->tls || taken->files.trusted.empty());
}

void key_set(const std::string& text) {
  const auto keys = auth::parse_jwks(text);
  if (!keys) return tells_no_secret(keys.error());
  std::vector<std::string> ids;
  for (const auth::JwtKey& key : *keys) {
    require(!key.id.empty() && key.id.size() <= 64);
    require((key.algorithm == auth::Algorithm::kHs256) == key.hmac.has_value() &&
            key.hmac.has_value() != (key.verifies != nullptr));
    ids.push_back(key.id);
  }
  std::sort(ids.begin(), ids.end());
  require(!ids.empty() && std::adjacent_find(ids.begin(), ids.end()) == ids.end());
  const auto again = auth::parse_jwks(text + "\n");
  require(again && again->size() == keys->size());
}

void gateway_keys(const std::string& text) {
  const auto keys = auth::parse_gateway_keys(text);
  if (!keys) return tells_no_secret(keys.error());
  require(!keys->empty());
  for (const auth::GatewayKey& key : *keys) require(!key.id.empty() && key.id.size() <= 32);
  const auto again = auth::parse_gateway_keys("# a comment\n" + text + "\n");
  require(again && again->size() == keys->size());
}

void gateways(const std::string& text) {
  if (auth::PeerList::parse(text)) require(auth::PeerList::parse("0.0.0.0/0," + text).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  endpoint(text);
  key_set(text);
  gateway_keys(text);
  gateways(text);
  return 0;
}
