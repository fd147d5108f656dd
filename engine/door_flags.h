// The engine's flags about who is let in: parsed, and refused when they do not go together.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/door/door.h"
#include "engine/http/address.h"

namespace cxxopts {
class Options;
class ParseResult;
}  // namespace cxxopts

namespace flashclaim {

struct DoorOptions {
  door::Policy policy;
  std::string keys_file;
  door::Rates rates;
  std::string tls_certificate;  ///< empty: no TLS
  std::string tls_key;
};

void add_door_flags(cxxopts::Options& flags);
/// The error is a sentence that names the flag. Reads no file. May throw cxxopts' exceptions.
Result<DoorOptions> door_options_from(const cxxopts::ParseResult& given, const http::Address& listen);

}  // namespace flashclaim
