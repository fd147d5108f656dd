// Reads host, login, virtual host and TLS parameters out of an amqp:// or amqps:// URL; unknown parameters are refused.
#include "engine/amqp/endpoint.h"

#include "engine/base/try.h"

namespace flashclaim::amqp {
namespace {

constexpr int kPlainPort = 5672;
constexpr int kTlsPort = 5671;

Result<void> take_parameters(Endpoint& endpoint) {
  for (auto& [name, value] : endpoint.url.parameters()) {
    if (!endpoint.tls) return failure("AMQP_URL: amqp:// takes no parameters; those of TLS belong to amqps://");
    if (name == "verify" && value == "verify_peer") continue;
    if (name == "verify") return failure("AMQP_URL: the broker is always verified, verify=verify_peer is all there is");
    std::string* file = name == "cacertfile" ? &endpoint.files.trusted
                        : name == "certfile" ? &endpoint.files.certificate
                        : name == "keyfile"  ? &endpoint.files.key
                                             : nullptr;
    if (file == nullptr) return failure("AMQP_URL: the parameters are cacertfile, certfile and keyfile, and no others");
    if (value.empty() || !file->empty()) return failure("AMQP_URL: " + name + " must be given once, with a file");
    *file = std::move(value);
  }
  if (endpoint.files.certificate.empty() != endpoint.files.key.empty())
    return failure("AMQP_URL: certfile and keyfile go together");
  return {};
}

}  // namespace

Result<Endpoint> parse_endpoint(const std::string& amqp_url) {
  auto url = parse_url(amqp_url);
  if (!url) return failure("AMQP_URL: " + url.error().message);
  Endpoint endpoint;
  endpoint.url = std::move(*url);
  endpoint.tls = endpoint.url.scheme == "amqps";
  if (!endpoint.tls && endpoint.url.scheme != "amqp")
    return failure("AMQP_URL must begin with amqp:// or, for TLS, amqps://");
  TRY(take_parameters(endpoint));
  Url& where = endpoint.url;
  if (where.path.empty()) where.path.push_back('/');
  if (where.port == 0) where.port = endpoint.tls ? kTlsPort : kPlainPort;
  const bool bracketed = where.host.size() > 2 && where.host.front() == '[' && where.host.back() == ']';
  endpoint.host = bracketed ? where.host.substr(1, where.host.size() - 2) : where.host;
  return endpoint;
}

}  // namespace flashclaim::amqp
