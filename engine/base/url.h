// URLs of the services: redis://, rediss://, amqp://, amqps://, http://. Secrets stay out of every message: use
// redacted().
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.h"

namespace flashclaim {

/// `scheme://[user[:password]@]host[:port][/path][?query]`, percent-decoded but the query. A `unix:` path is not
/// supported.
struct Url {
  std::string scheme;
  std::string user;
  std::string password;
  std::string host;
  int port = 0;       ///< 0 when absent
  std::string path;   ///< without the leading '/'
  std::string query;  ///< without the '?', as it is written

  /// The query's `name=value` pairs, decoded, in their order.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> parameters() const;

  /// The host as the resolver and a certificate know it: an IPv6 address without its brackets.
  [[nodiscard]] std::string bare_host() const;

  [[nodiscard]] std::string redacted() const;  ///< scheme://host:port/path, for logs and errors
};
/// The error names what is wrong and never repeats the text (it may hold a password).
Result<Url> parse_url(std::string_view text);

}  // namespace flashclaim
