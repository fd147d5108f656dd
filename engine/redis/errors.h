// What each error reply of Redis means: the one table that every caller decides by.
#pragma once

#include <optional>
#include <string_view>

#include "engine/base/result.h"
#include "engine/redis/client.h"

namespace flashclaim::redis {

/// What the reply is about, so what helps.
enum class About {
  kCall,       ///< this call and the keys that it named: other calls may succeed
  kServer,     ///< whoever asks is told the same for now: wait
  kSession,    ///< this connection: whatever is asked on it is told the same, and the address may lead elsewhere by now
  kLogin,      ///< this user
  kElsewhere,  ///< another node of a cluster answers for these keys
};

struct ErrorMeaning {
  About about = About::kCall;
  ErrorCode code = ErrorCode::kOther;
};

/// `text`: a whole error reply. Everything in the table was *not* applied: Redis says it before the command runs, or
/// the library before its first write. nullopt: not in the table (a function that broke off, an error that a newer
/// Redis has): it may have been applied, in part.
std::optional<ErrorMeaning> meaning_of(std::string_view text);

/// The failure that an error reply is, with its code. Precondition: reply.is_error().
Error error_of(const ReplyView& reply);

/// READONLY, LOADING and the like. Both clients leave the connection for it.
bool is_about_the_session(const ReplyView& reply);
/// Not about the call and its keys: nobody else would be served either.
bool is_about_all(const ReplyView& reply);
/// NOPERM: this login may not. (NOAUTH is about the session: nobody is logged in.)
bool is_denied(const ReplyView& reply);

/// The library found a key of the wrong type or with garbage in it, and changed nothing.
bool is_damaged(const Error& error);
/// What the call said or the keys that it met are at fault, and nothing was changed: other coupons may be served.
bool is_about_the_call(const Error& error);

}  // namespace flashclaim::redis
