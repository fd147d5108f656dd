// Where the broker is and how it is spoken to, as AMQP_URL says it.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/base/url.h"

namespace flashclaim::amqp {

/// PEM files of a TLS connection; an empty name: none.
struct TlsFiles {
  std::string trusted;      ///< the authorities that may sign the broker's certificate; none: those of the system
  std::string certificate;  ///< ours, with its chain, for a broker that asks for one
  std::string key;          ///< of our certificate, without a passphrase
};

struct Endpoint {
  Url url = {};           ///< with the port and the vhost that it may have left out
  std::string host = {};  ///< an IPv6 address without its brackets
  bool tls = false;
  TlsFiles files = {};
};

/// `amqp://…` or `amqps://…`, with RabbitMQ's own parameters `?cacertfile=…&certfile=…&keyfile=…`. There is none that
/// turns the verification off. The error repeats no value.
Result<Endpoint> parse_endpoint(const std::string& amqp_url);

}  // namespace flashclaim::amqp
