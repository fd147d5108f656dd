// Reads host, login, virtual host and TLS parameters out of an amqp:// or amqps:// URL; unknown parameters are refused.
#include "engine/amqp/endpoint.h"

#include "engine/base/try.h"

namespace flashclaim::amqp {
namespace {

constexpr int kPlainPort = 5672;
constexpr int kTlsPort = 5671;

}  // namespace

Result<Endpoint> parse_endpoint(const std::string& amqp_url) {
  auto url = parse_url(amqp_url);
  if (!url) return failure("AMQP_URL: " + url.error().message);
  Endpoint endpoint;
  endpoint.url = std::move(*url);
  endpoint.tls = endpoint.url.scheme == "amqps";
  if (!endpoint.tls && endpoint.url.scheme != "amqp")
    return failure("AMQP_URL must begin with amqp:// or, for TLS, amqps://");
  if (!endpoint.tls && !endpoint.url.query.empty())
    return failure("AMQP_URL: amqp:// takes no parameters; those of TLS belong to amqps://");
  auto files = net::tls_files_of(endpoint.url);
  if (!files) return failure("AMQP_URL: " + files.error().message);
  endpoint.files = std::move(*files);
  Url& where = endpoint.url;
  if (where.path.empty()) where.path.push_back('/');
  if (where.port == 0) where.port = endpoint.tls ? kTlsPort : kPlainPort;
  endpoint.host = where.bare_host();
  return endpoint;
}

}  // namespace flashclaim::amqp
