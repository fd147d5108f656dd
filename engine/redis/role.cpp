// Reads the answers to ROLE and to a write that changes nothing; closes a session with a server that refuses writes.
#include "engine/redis/role.h"

#include "engine/base/try.h"
#include "engine/redis/errors.h"

namespace flashclaim::redis {

std::optional<std::string> not_the_primary(const ReplyView& role) {
  if (role.is_error()) {
    if (is_denied(role)) return std::nullopt;
    return std::string(role.text().substr(0, 100));
  }
  if (role[0].text() == "master") return std::nullopt;
  if (role[0].text() != "slave") return "it is no primary: its role is " + std::string(role[0].text());
  return "it is a replica of " + std::string(role[1].text()) + ":" + std::to_string(role[2].integer()) +
         " and takes no writes: REDIS_URL must lead to the primary";
}

Result<void> check_primary(Client& client) {
  auto role = TRY(client.command({"ROLE"}));
  const auto why = not_the_primary(role.view());
  if (!why) return {};
  client.close();
  return failure("redis: " + *why);
}

Result<void> check_writes(Client& client) {
  TRY(check_primary(client));
  auto written = TRY(client.command({"XDEL", kNoClaims, "0-1"}));
  if (!written.is_error() || is_denied(written.view())) return {};
  return failure("redis takes no writes: " + std::string(written.text()));
}

}  // namespace flashclaim::redis
