// Refuses repeated headers, and names that a CGI gateway would read as ours, such as X_User_Id.
#include "engine/auth/credentials.h"

#include <array>

#include "engine/http/parser.h"

namespace flashclaim::auth {
namespace {

struct Name {
  std::string_view text;  ///< in lower case
  Credentials::Which which;
  std::string_view Credentials::*value;
};
constexpr std::array<Name, 5> kNames = {{
    {"x-user-id", Credentials::kUser, &Credentials::user},
    {"x-auth-time", Credentials::kTime, &Credentials::time},
    {"x-auth-key", Credentials::kKey, &Credentials::key},
    {"x-auth-signature", Credentials::kSignature, &Credentials::signature},
    {"authorization", Credentials::kAuthorization, &Credentials::authorization},
}};

/// As a CGI gateway reads names: whatever is no letter or digit is the same as a dash.
bool reads_like(std::string_view sent, std::string_view lower) {
  for (std::size_t i = 0; i < sent.size(); ++i) {
    char c = sent[i];
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
    if ((alnum ? c : '-') != lower[i]) return false;
  }
  return true;
}

void take(Credentials& found, const Name& name, const http::Header& header) {
  if (!http::equals_ignoring_case(header.name, name.text)) {
    found.fault = Fault::kLookAlike;
  } else if (found.present & name.which) {
    found.fault = Fault::kTwice;
  }
  found.present |= name.which;
  found.*name.value = header.value;
}

}  // namespace

Credentials credentials_of(const http::Request& request) {
  Credentials found;
  for (std::size_t i = 0; i < request.headers_n; ++i) {
    const http::Header& header = request.headers[i];
    for (const Name& name : kNames) {
      if (header.name.size() == name.text.size() && reads_like(header.name, name.text)) take(found, name, header);
    }
  }
  return found;
}

std::string_view fault_word(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "none";
    case Fault::kTwice:
      return "twice";
    case Fault::kLookAlike:
      return "look_alike";
    case Fault::kTwoSchemes:
      return "two_schemes";
    case Fault::kUserId:
      return "user_id";
    case Fault::kOtherScheme:
      return "other_scheme";
    case Fault::kMalformed:
      return "malformed";
    case Fault::kStranger:
      return "stranger";
    case Fault::kToken:
      return "token";
    case Fault::kUnknownKey:
      return "unknown_key";
    case Fault::kAlgorithm:
      return "algorithm";
    case Fault::kSignature:
      return "signature";
    case Fault::kClock:
      return "clock";
    case Fault::kExpired:
      return "expired";
    case Fault::kNotYet:
      return "not_yet";
    case Fault::kAudience:
      return "audience";
    case Fault::kSubject:
      return "subject";
  }
  return "none";
}

}  // namespace flashclaim::auth
