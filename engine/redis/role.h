// Whether a server is the one that writes go to, and whether it takes them: an error about the session is not one about
// the command.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/redis/client.h"

namespace flashclaim::redis {

/// A stream that no coupon has: a command that would write to it changes nothing.
inline constexpr std::string_view kNoClaims = "coupon:claims:{0}";

/// Why this server is not the one that writes go to, from its answer to ROLE. nullopt: it is a primary, or this user
/// may not ask (an ACL file that is older than this build).
std::optional<std::string> not_the_primary(const ReplyView& role);

/// ROLE on this connection. A failure: it leads to a replica, and is closed.
Result<void> check_primary(Client& client);

/// As check_primary; and a command that counts as a write and changes nothing is not refused (READONLY, MISCONF,
/// NOREPLICAS ...). A user who may not XDEL in coupon:claims:* learns nothing by it.
Result<void> check_writes(Client& client);

}  // namespace flashclaim::redis
