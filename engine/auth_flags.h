// The engine's flags about who is let in: parsed, and refused when they do not go together.
#pragma once

#include <string>

#include "engine/auth/auth_filter.h"
#include "engine/base/result.h"
#include "engine/http/address.h"

namespace cxxopts {
class Options;
class ParseResult;
}  // namespace cxxopts

namespace flashclaim {

struct AuthOptions {
  auth::Policy policy;
  std::string keys_file;
  auth::Rates rates;
  std::string tls_certificate;  ///< empty: no TLS
  std::string tls_key;
};

void add_auth_flags(cxxopts::Options& flags);
/// The error is a sentence that names the flag. Reads no file. May throw cxxopts' exceptions.
Result<AuthOptions> auth_options_from(const cxxopts::ParseResult& given, const http::Address& listen);

}  // namespace flashclaim
