// Finds the users of a program, and makes its URLs with their logins.
#include <algorithm>
#include <array>

#include "engine/access/access.h"
#include "engine/access/secret.h"
#include "engine/base/try.h"

namespace flashclaim::access {
namespace {

/// A variable of a program's environment: its service, the user whose login it contains, and the variable that gives
/// the place when `places` has none.
struct Variable {
  std::string_view program;
  std::string_view name;
  std::string_view service;
  std::string_view role;
  std::string_view place;
};
constexpr auto kVariables = std::to_array<Variable>({
    {"engine", "REDIS_URL", "redis", "engine", "REDIS_URL"},
    {"engine", "MIRROR_REDIS_URL", "redis", "mirror", "REDIS_URL"},  // its mirror
    {"engine", "AMQP_URL", "rabbitmq", "mirror", "AMQP_URL"},
    {"engine", "PG_URL", "postgres", "engine", "PG_URL"},
    {"consumer", "REDIS_URL", "redis", "consumer", "REDIS_URL"},
    {"consumer", "AMQP_URL", "rabbitmq", "consumer", "AMQP_URL"},
    {"consumer", "PG_URL", "postgres", "consumer", "PG_URL"},
    {"admin", "REDIS_URL", "redis", "admin", "REDIS_URL"},
    {"admin", "AMQP_URL", "rabbitmq", "admin", "AMQP_URL"},
    {"admin", "PG_URL", "postgres", "admin", "PG_URL"},
    {"owner", "REDIS_URL", "redis", "admin", "REDIS_URL"},
    {"owner", "AMQP_URL", "rabbitmq", "admin", "AMQP_URL"},
    {"owner", "PG_URL", "postgres", "owner", "PG_URL"},
});

Result<std::string> with_login(std::string_view url, std::string_view login) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return failure("this is no URL: " + std::string(url));
  const auto begin = scheme + 3;
  const auto end = std::min(url.find_first_of("/?#", begin), url.size());
  const auto at = url.substr(begin, end - begin).rfind('@');
  const auto host = at == std::string_view::npos ? begin : begin + at + 1;
  return std::string(url.substr(0, begin)) + std::string(login) + '@' + std::string(url.substr(host));
}

}  // namespace

Result<std::string> access_login(const std::string& folder, std::string_view service, std::string_view role) {
  for (const AccessUser& user : access_users()) {
    if (user.service != service || user.role != role) continue;
    auto password = TRY(read_password(folder + '/' + std::string(service) + '-' + std::string(role)));
    return std::string(user.login) + ':' + password;
  }
  return failure(std::string(service) + " has no user for " + std::string(role));
}

Result<std::string> access_url(const std::string& folder, std::string_view service, std::string_view role,
                               std::string_view url) {
  const auto login = TRY(access_login(folder, service, role));
  return with_login(url, login);
}

Result<std::map<std::string, std::string>> access_environment(const std::string& folder, std::string_view program,
                                                              const std::map<std::string, std::string>& places) {
  std::map<std::string, std::string> environment;
  bool known = false;
  for (const Variable& variable : kVariables) {
    if (variable.program != program) continue;
    known = true;
    auto place = places.find(std::string(variable.name));
    if (place == places.end()) place = places.find(std::string(variable.place));
    if (place == places.end()) continue;
    auto url = TRY(access_url(folder, variable.service, variable.role, place->second));
    environment[std::string(variable.name)] = std::move(url);
  }
  if (!known) return failure("the program must be engine, consumer, admin or owner");
  return environment;
}

}  // namespace flashclaim::access
