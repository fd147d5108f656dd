// The PEM files of a TLS connection, as amqps:// and rediss:// URLs name them.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/base/url.h"

namespace flashclaim::net {

/// An empty name: none.
struct TlsFiles {
  std::string trusted;      ///< the authorities that may sign the server's certificate; none: those of the system
  std::string certificate;  ///< ours, with its chain, for a server that asks for one
  std::string key;          ///< of our certificate, without a passphrase
};

/// From `?cacertfile=…&certfile=…&keyfile=…`, RabbitMQ's own names. There is none that turns the verification off. The
/// error repeats no value.
Result<TlsFiles> tls_files_of(const Url& url);

}  // namespace flashclaim::net
