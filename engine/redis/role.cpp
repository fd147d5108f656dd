// See role.h.
#include "engine/redis/role.h"

#include <algorithm>

namespace flashclaim::redis {
namespace {

constexpr std::string_view kSessionCodes[] = {
    "READONLY",    // it is a replica now
    "MASTERDOWN",  // a replica that lost its primary
    "LOADING",     // it reads its data: it was started again, or follows another primary
    "NOREPLICAS",  // min-replicas-to-write: it may be a primary that others have left
    "NOAUTH",      // it has forgotten who this is
};

}  // namespace

bool is_about_the_session(std::string_view error_code) {
  return std::find(std::begin(kSessionCodes), std::end(kSessionCodes), error_code) != std::end(kSessionCodes);
}

std::optional<std::string> not_the_primary(const ReplyView& role) {
  if (role.is_error()) {
    if (role.error_code() == "NOPERM") return std::nullopt;
    return std::string(role.text().substr(0, 100));
  }
  if (role[0].text() == "master") return std::nullopt;
  if (role[0].text() != "slave") return "it is no primary: its role is " + std::string(role[0].text());
  return "it is a replica of " + std::string(role[1].text()) + ":" + std::to_string(role[2].integer()) +
         " and takes no writes: REDIS_URL must lead to the primary";
}

Result<void> check_primary(Client& client) {
  auto role = client.command({"ROLE"});
  if (!role) return role.error();
  const auto why = not_the_primary(role->view());
  if (!why) return {};
  client.close();
  return failure("redis: " + *why);
}

Result<void> check_writes(Client& client) {
  if (auto primary = check_primary(client); !primary) return primary;
  auto written = client.command({"XDEL", kNoClaims, "0-1"});
  if (!written) return written.error();
  if (!written->is_error() || written->error_code() == "NOPERM") return {};
  return failure("redis takes no writes: " + std::string(written->text()));
}

}  // namespace flashclaim::redis
