// What every asynchronous connection to Redis begins with: where it goes, and who it is.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/base/url.h"

namespace flashclaim::redis {

struct Greeting {
  std::string host;  ///< an IP literal
  int port = 0;
  std::string resp;  ///< AUTH and SELECT where the URL asks for them, then PING
  int replies = 0;   ///< one for each; an error is a wrong password, a missing database, or LOADING
};

/// It is redis://, and asks for nothing that is not there. The error says what to do, and repeats nothing of the URL.
Result<void> check_scheme(const Url& url);

/// Of a `redis://[user[:password]@]host[:port][/db]`. A name is resolved here, blocking: at start-up only.
Result<Greeting> greeting_of(const std::string& redis_url);

}  // namespace flashclaim::redis
