// Where Redis is, how it is spoken to, and as whom, as REDIS_URL says it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/base/url.h"
#include "engine/net/tls_files.h"
#include "engine/redis/client.h"

namespace flashclaim::redis {

struct Endpoint {
  std::string host;  ///< an IPv6 address without its brackets
  int port = 0;
  bool tls = false;
  net::TlsFiles files = {};
  /// AUTH, where the URL names somebody, and SELECT. A user without a password logs in with an empty one.
  std::vector<std::vector<std::string>> login = {};

  [[nodiscard]] std::string where() const { return host + ":" + std::to_string(port); }
};

/// `redis://[user[:password]@]host[:port][/db]`, or `rediss://…` for TLS, with the parameters of net/tls_files.h. The
/// error says what to do, and repeats nothing of the URL.
Result<Endpoint> parse_endpoint(const std::string& redis_url);

/// Why a connection ended before its first answer: a server of TLS hangs up on who speaks none, often without a word.
std::string ended_unanswered(const Endpoint& endpoint, const std::string& why);

/// What a connection begins with. Both clients say the same.
struct Greeting {
  std::vector<std::vector<std::string>> commands;
  /// Why the connection is of no use, from the reply to command number `index`: a wrong password, a missing database,
  /// LOADING, a replica.
  [[nodiscard]] std::optional<std::string> refusal(std::size_t index, const ReplyView& reply) const;
};

/// The log-in; with kPrimary also PING, which is refused while a server loads its data set, and ROLE.
Greeting greeting_of(const Endpoint& endpoint, Server wanted);

}  // namespace flashclaim::redis
