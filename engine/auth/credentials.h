// The headers of a request that say who asks: found in one pass, refused when they could be read in two ways.
#pragma once

#include <string_view>

#include "engine/http/request.h"

namespace flashclaim::auth {

/// What may be wrong with what a request shows; kNone: nothing. Counted by reason.
enum class Fault {
  kNone,
  kTwice,        ///< a header that must be sent once
  kLookAlike,    ///< `X_User_Id`: somebody before or behind us may take it for `X-User-Id`
  kTwoSchemes,   ///< headers of the scheme in force and of another
  kUserId,       ///< X-User-Id is no user id: `007` and `7,8` are read differently by different readers
  kOtherScheme,  ///< headers of another scheme than the one in force, and none of its own
  kMalformed,    ///< not in the form that the scheme wants, or in parts
  kStranger,     ///< not from a listed gateway
  kToken,        ///< no token that could be read
  kUnknownKey,
  kAlgorithm,  ///< not the one that the key is for
  kSignature,
  kClock,  ///< signed too long ago, or in the future
  kExpired,
  kNotYet,
  kAudience,
  kSubject,  ///< the token's user is no user id
};
inline constexpr int kFaults = static_cast<int>(Fault::kSubject) + 1;
/// A word for metrics, e.g. `look_alike`.
std::string_view fault_word(Fault fault);

struct Credentials {
  std::string_view user;           ///< X-User-Id
  std::string_view time;           ///< X-Auth-Time
  std::string_view key;            ///< X-Auth-Key
  std::string_view signature;      ///< X-Auth-Signature
  std::string_view authorization;  ///< Authorization
  unsigned present = 0;            ///< bits of Which
  Fault fault = Fault::kNone;      ///< kTwice or kLookAlike: nothing else may be believed

  enum Which : unsigned { kUser = 1, kTime = 2, kKey = 4, kSignature = 8, kAuthorization = 16 };
  static constexpr unsigned kGateway = kTime | kKey | kSignature;
};

/// The views point into the request. No allocation.
Credentials credentials_of(const http::Request& request);

}  // namespace flashclaim::auth
