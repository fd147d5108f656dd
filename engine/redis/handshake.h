// What every asynchronous connection to Redis begins with: where it goes, and who it is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/base/url.h"
#include "engine/redis/client.h"

namespace flashclaim::redis {

struct Handshake {
  std::string host;
  std::vector<std::string> addresses;  ///< of the host, as IP literals; looked up once more for each connection
  int port = 0;
  std::string resp;  ///< AUTH where the URL names somebody, SELECT, PING, ROLE
  int replies = 0;   ///< one for each

  /// Why the connection is of no use, from its reply number `index` (0 ...): a wrong password, a missing database,
  /// LOADING, a replica.
  [[nodiscard]] std::optional<std::string> refusal(int index, const ReplyView& reply) const;
};

/// It is redis://, and asks for nothing that is not there. The error says what to do, and repeats nothing of the URL.
Result<void> check_scheme(const Url& url);

/// AUTH, where the URL names somebody, and SELECT: how both clients log in. A user without a password logs in with an
/// empty one. The error repeats nothing of the URL.
Result<std::vector<std::vector<std::string>>> login_commands(const Url& url);

/// Of a `redis://[user[:password]@]host[:port][/db]`. A name is resolved here, blocking: at start-up only.
Result<Handshake> handshake_of(const std::string& redis_url);

}  // namespace flashclaim::redis
