// Declares the flags of --auth, parses their values, and refuses combinations that contradict each other.
#include "engine/auth_flags.h"

#include <cxxopts.hpp>

#include "engine/base/try.h"

namespace flashclaim {
namespace {

// Where everybody is believed and everything comes from one address, limits would only be in the way.
constexpr auth::Rates kRatesOfDev{0, 0, 0};
constexpr auth::Rates kRates{10, 100, 100};
constexpr int kRateMax = 10000;
constexpr int kConnectionsMax = 1000000;

std::string text_of(const cxxopts::ParseResult& given, const char* name) {
  return given.count(name) ? given[name].as<std::string>() : std::string();
}

bool is_loopback(const http::Address& listen) {
  const auto loopback = auth::PeerList::parse("127.0.0.0/8,::1");
  return loopback && loopback->contains(http::peer_of(listen));
}

Result<int> rate_from(const cxxopts::ParseResult& given, const char* name, int max, int default_rate) {
  if (!given.count(name)) return default_rate;
  const int rate = given[name].as<int>();
  if (rate < 0 || rate > max) return failure("--" + std::string(name) + ": 0 (no limit) to " + std::to_string(max));
  return rate;
}

Result<auth::Rates> rates_from(const cxxopts::ParseResult& given, const auth::Rates& defaults) {
  auto user = TRY(rate_from(given, "user-rate", kRateMax, defaults.user_per_second));
  auto address = TRY(rate_from(given, "address-rate", kRateMax, defaults.address_per_second));
  auto connections = TRY(rate_from(given, "address-connections", kConnectionsMax, defaults.address_connections));
  return auth::Rates{user, address, connections};
}

/// What each scheme needs, and what would have no meaning with it.
Result<void> check(const AuthOptions& options, const cxxopts::ParseResult& given, const http::Address& listen) {
  const auth::Scheme scheme = options.policy.scheme;
  if (scheme == auth::Scheme::kInsecureDev) {
    if (!is_loopback(listen))
      return failure(
          "--auth insecure-dev believes every X-User-Id: it listens on 127.0.0.1, ::1 or a unix socket only, "
          "not on " +
          listen.text());
    if (given.count("auth-keys")) return failure("--auth-keys: insecure-dev has no keys; choose --auth gateway or jwt");
  } else if (options.keys_file.empty()) {
    return failure("--auth-keys: the file of the keys is missing");
  }
  if (scheme == auth::Scheme::kJwt && options.policy.audience.empty())
    return failure("--audience: what tokens for this service have as their aud is missing");
  if (scheme != auth::Scheme::kJwt && given.count("audience")) return failure("--audience: only with --auth jwt");
  if (scheme == auth::Scheme::kGateway && !listen.is_unix() && !given.count("gateways"))
    return failure("--gateways: the addresses of the gateways are missing (or listen on unix:/path)");
  return {};
}

}  // namespace

void add_auth_flags(cxxopts::Options& flags) {
  auto add = flags.add_options("who is let in");
  add("auth",
      "how users are known: gateway (signed headers), jwt (bearer tokens) or insecure-dev (every X-User-Id is "
      "believed, on loopback only); see engine/auth/README.md",
      cxxopts::value<std::string>()->default_value("insecure-dev"));
  add("auth-keys", "file of the keys, read again at SIGHUP. gateway: lines `id hex-secret`; jwt: a JWK set",
      cxxopts::value<std::string>(), "FILE");
  add("audience", "jwt: the aud of tokens for this service", cxxopts::value<std::string>(), "TEXT");
  add("gateways",
      "addresses and networks of the proxies in front, 10.0.0.0/8,::1: no limit counts their address; with "
      "--auth gateway only they may say who a user is",
      cxxopts::value<std::string>(), "LIST");
  add("tls-certificate", "PEM chain: speak TLS 1.2 and 1.3; read again at SIGHUP", cxxopts::value<std::string>(),
      "FILE");
  add("tls-key", "PEM private key of the certificate", cxxopts::value<std::string>(), "FILE");
  add("user-rate", "requests a second of one user, and as many at once; 0: no limit (10; insecure-dev: 0)",
      cxxopts::value<int>(), "N");
  add("address-rate", "requests a second of one address (IPv6: /64); 0: no limit (100; insecure-dev: 0)",
      cxxopts::value<int>(), "N");
  add("address-connections", "connections of one address; 0: no limit (100; insecure-dev: 0)", cxxopts::value<int>(),
      "N");
}

Result<AuthOptions> auth_options_from(const cxxopts::ParseResult& given, const http::Address& listen) {
  AuthOptions options;
  const auto auth = auth::parse_scheme(given["auth"].as<std::string>());
  if (!auth) return failure("--auth: gateway, jwt or insecure-dev");
  options.policy.scheme = *auth;
  options.policy.audience = text_of(given, "audience");
  options.keys_file = text_of(given, "auth-keys");
  auto gateways = auth::PeerList::parse(text_of(given, "gateways"));
  if (!gateways) return failure("--gateways: " + gateways.error().message);
  options.policy.gateways = *gateways;
  TRY(check(options, given, listen));
  options.tls_certificate = text_of(given, "tls-certificate");
  options.tls_key = text_of(given, "tls-key");
  if (options.tls_certificate.empty() != options.tls_key.empty())
    return failure("--tls-certificate and --tls-key: either both or neither");
  options.rates = TRY(rates_from(given, *auth == auth::Scheme::kInsecureDev ? kRatesOfDev : kRates));
  return options;
}

}  // namespace flashclaim
