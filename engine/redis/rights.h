// Whether a login at Redis may do what its program does: asked by commands that need its rights and change nothing.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/redis/client.h"

namespace flashclaim::redis {

/// The programs' users (`flashctl access users`).
enum class User { kEngine, kMirror, kConsumer };
std::string_view word(User user);

/// One command for each right that the user needs: each function with its keys, each command that a function does for
/// its caller. They name coupon 0, which cannot be, and are refused or come to nothing after Redis looked at the
/// rights. Not among them: what a subscriber listens to.
const std::vector<std::vector<std::string>>& rights_questions(User user);

/// What of it was denied, like `FCALL claim`; "" when the reply is any other.
std::string denied(const std::vector<std::string>& question, ReplyView reply);
/// What the /readyz of a program says of the denied rights; "ok" when there are none.
std::string rights_text(User user, const std::string& denied);

/// All questions of the user in one round trip; the first that was denied, or "".
Result<std::string> missing_right(Client& client, User user);

}  // namespace flashclaim::redis
