// Where the broker is and how it is spoken to, as AMQP_URL says it.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/base/url.h"
#include "engine/net/tls_files.h"

namespace flashclaim::amqp {

struct Endpoint {
  Url url = {};           ///< with the port and the vhost that it may have left out
  std::string host = {};  ///< an IPv6 address without its brackets
  bool tls = false;
  net::TlsFiles files = {};
};

/// `amqp://…` or `amqps://…`, with the parameters of net/tls_files.h. The error repeats no value.
Result<Endpoint> parse_endpoint(const std::string& amqp_url);

}  // namespace flashclaim::amqp
