// Takes a redis:// or rediss:// URL apart, and reads the refusals among the answers to a greeting.
#include "engine/redis/endpoint.h"

#include <string_view>

#include "engine/base/ids.h"
#include "engine/base/try.h"
#include "engine/redis/errors.h"
#include "engine/redis/role.h"

namespace flashclaim::redis {
namespace {

constexpr int kDefaultPort = 6379;

}  // namespace

Result<Endpoint> parse_endpoint(const std::string& redis_url) {
  const Url url = TRY(parse_url(redis_url));
  Endpoint endpoint;
  endpoint.tls = url.scheme == "rediss";
  if (!endpoint.tls && url.scheme != "redis") return failure("the URL must begin with redis:// or, for TLS, rediss://");
  if (!endpoint.tls && !url.query.empty())
    return failure("a redis:// URL takes no parameters; those of TLS belong to rediss://");
  endpoint.files = TRY(net::tls_files_of(url));
  endpoint.host = url.bare_host();
  endpoint.port = url.port ? url.port : kDefaultPort;
  const auto database = url.path.empty() ? std::optional<std::int64_t>(0) : parse_number(url.path, INT32_MAX);
  if (!database) return failure("the URL's path must be a database number");
  if (!url.user.empty()) {
    endpoint.login.push_back({"AUTH", url.user, url.password});
  } else if (!url.password.empty()) {
    endpoint.login.push_back({"AUTH", url.password});
  }
  endpoint.login.push_back({"SELECT", std::to_string(*database)});
  return endpoint;
}

std::string ended_unanswered(const Endpoint& endpoint, const std::string& why) {
  return endpoint.tls ? why : why + " (before its first answer: does it speak TLS on this port, rediss://?)";
}

Greeting greeting_of(const Endpoint& endpoint, Server wanted) {
  Greeting greeting{endpoint.login};
  if (wanted == Server::kPrimary) greeting.commands.insert(greeting.commands.end(), {{"PING"}, {"ROLE"}});
  return greeting;
}

std::optional<std::string> Greeting::refusal(std::size_t index, const ReplyView& reply) const {
  const std::string& command = commands[index].front();
  const auto why = command == "ROLE"  ? not_the_primary(reply)
                   : reply.is_error() ? std::optional<std::string>(reply.text().substr(0, 100))
                                      : std::nullopt;
  if (!why || (command == "PING" && is_denied(reply))) return std::nullopt;
  return command + ": " + *why;
}

}  // namespace flashclaim::redis
