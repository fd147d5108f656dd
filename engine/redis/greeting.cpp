// See greeting.h.
#include "engine/redis/greeting.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/url.h"
#include "engine/redis/async.h"

namespace flashclaim::redis {
namespace {

constexpr int kDefaultPort = 6379;

/// getaddrinfo blocks, and hiredis would call it on the loop: so it is called here, once, at start-up.
Result<std::string> to_ip_literal(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
    return failure("REDIS_URL: cannot resolve " + host + ": " + gai_strerror(error));
  char text[INET6_ADDRSTRLEN] = "";
  getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  freeaddrinfo(found);
  return std::string(text);
}

}  // namespace

Result<void> check_scheme(const Url& url) {
  if (url.scheme == "rediss")
    return failure(
        "rediss:// is not spoken here (hiredis 0.14 has no TLS): let stunnel or a private network carry redis://, see "
        "engine/redis/README.md");
  if (url.scheme != "redis") return failure("the URL must begin with redis://");
  if (!url.query.empty()) return failure("a redis:// URL takes no parameters");
  return {};
}

Result<Greeting> greeting_of(const std::string& redis_url) {
  auto url = parse_url(redis_url);
  if (!url) return failure("REDIS_URL: " + url.error().message);
  if (auto fits = check_scheme(*url); !fits) return failure("REDIS_URL: " + fits.error().message);
  auto host = to_ip_literal(url->host);
  if (!host) return host.error();
  auto database = url->path.empty() ? std::optional<std::int64_t>(0) : parse_number(url->path, INT32_MAX);
  if (!database) return failure("REDIS_URL: the database is not a number");
  Greeting greeting;
  greeting.host = *host;
  greeting.port = url->port ? url->port : kDefaultPort;
  auto say = [&](std::initializer_list<std::string_view> words) {
    append_resp(greeting.resp, std::span(words.begin(), words.size()));
    ++greeting.replies;
  };
  if (!url->user.empty()) {
    say({"AUTH", url->user, url->password});
  } else if (!url->password.empty()) {
    say({"AUTH", url->password});
  }
  if (*database != 0) say({"SELECT", std::to_string(*database)});
  say({"PING"});
  return greeting;
}

}  // namespace flashclaim::redis
