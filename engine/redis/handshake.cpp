// Builds the commands that log a connection in from its URL, and reads the refusals among their replies.
#include "engine/redis/handshake.h"

#include <optional>
#include <span>
#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/url.h"
#include "engine/redis/async.h"
#include "engine/redis/resolver.h"
#include "engine/redis/role.h"

namespace flashclaim::redis {
namespace {

constexpr int kDefaultPort = 6379;

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

std::optional<std::string> Handshake::refusal(int index, const ReplyView& reply) const {
  if (index == replies - 1) return not_the_primary(reply);
  if (reply.is_error()) return std::string(reply.text().substr(0, 100));
  return std::nullopt;
}

Result<std::vector<std::vector<std::string>>> login_commands(const Url& url) {
  const auto database = url.path.empty() ? std::optional<std::int64_t>(0) : parse_number(url.path, INT32_MAX);
  if (!database) return failure("the URL's path must be a database number");
  std::vector<std::vector<std::string>> commands;
  if (!url.user.empty()) {
    commands.push_back({"AUTH", url.user, url.password});
  } else if (!url.password.empty()) {
    commands.push_back({"AUTH", url.password});
  }
  commands.push_back({"SELECT", std::to_string(*database)});
  return commands;
}

Result<Handshake> handshake_of(const std::string& redis_url) {
  auto url = parse_url(redis_url);
  if (!url) return failure("REDIS_URL: " + url.error().message);
  if (auto fits = check_scheme(*url); !fits) return failure("REDIS_URL: " + fits.error().message);
  auto addresses = addresses_of(url->host);
  if (!addresses) return failure("REDIS_URL: " + addresses.error().message);
  const auto login = login_commands(*url);
  if (!login) return failure("REDIS_URL: " + login.error().message);
  Handshake handshake;
  handshake.host = url->host;
  handshake.addresses = *addresses;
  handshake.port = url->port ? url->port : kDefaultPort;
  const auto say = [&](const std::vector<std::string>& command) {
    const std::vector<std::string_view> words(command.begin(), command.end());
    append_resp(handshake.resp, words);
    ++handshake.replies;
  };
  for (const auto& command : *login) say(command);
  say({"PING"});
  say({"ROLE"});
  return handshake;
}

}  // namespace flashclaim::redis
