// Whether a login at Redis may do what its program does: asked by the commands themselves, which are never carried out.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/redis/client.h"

namespace flashclaim::redis {

/// The programs' users (`flashctl access users`).
enum class User { kEngine, kMirror, kConsumer };
std::string_view word(User user);

using Questions = std::vector<std::vector<std::string>>;

/// What the user needs, asked in rounds: each is sent in one go, and only when nothing of the one before was denied.
/// The last one stands between MULTI and DISCARD: Redis looks at the rights of every command, puts it by, and throws it
/// away. In it one command for each right: each function with its keys, each command that a function does for its
/// caller, the channel of a subscriber. They name coupon 0, which cannot be, and would come to nothing if they were
/// carried out.
const std::vector<Questions>& rights_questions(User user);

/// What of it was denied, like `FCALL claim`; "" when the reply is any other.
std::string denied(const std::vector<std::string>& question, ReplyView reply);
/// What the /readyz of a program says of the denied rights; "ok" when there are none.
std::string rights_text(User user, const std::string& denied);

/// All questions of the user; the first that was denied, or "". Three round trips.
Result<std::string> missing_right(Client& client, User user);

}  // namespace flashclaim::redis
