// The small texts of flags, environment, paths and headers: whatever is taken, prints as it was written.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/base/ids.h"
#include "engine/base/url.h"
#include "engine/claim/route.h"
#include "engine/cli/times.h"
#include "engine/http/address.h"
#include "engine/mirror/entries.h"
#include "engine/redis/functions.h"

using namespace flashclaim;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

/// An error repeats nothing but a well-formed scheme: the rest may hold a password.
void url(const std::string& text) {
  const auto url = parse_url(text);
  const auto scheme = text.substr(0, text.find("://"));
  const bool plain = scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+-.") == std::string::npos;
  if (url) return require(url->port >= 0 && url->port <= 65535 && url->scheme == scheme && plain);
  const auto& said = url.error().message;
  require(said == "not a URL: no scheme://" || (plain && scheme.size() <= 16 &&
                                                (said == "a " + scheme + " URL without a host" ||
                                                 said == "a " + scheme + " URL with a port that is not 1..65535")));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto id = parse_id(text)) require(*id > 0 && std::to_string(*id) == text);
  if (const auto n = parse_number(text)) require(*n >= 0 && std::to_string(*n) == text);
  if (const auto entry = parse_entry_id(text)) require(entry->text() == text);
  if (const auto claim = parse_claim_id(text)) require(claim->text() == text);
  if (const auto address = http::parse_address(text)) {
    const auto again = http::parse_address(address->text());
    require(again && again->text() == address->text());
  }
  url(text);
  if (const auto ms = cli::parse_rfc3339(text)) require(*ms >= 978'307'200'000);
  if (const auto ms = cli::parse_duration(text)) require(*ms > 0 && *ms <= 3660LL * 86'400'000);
  (void)cli::parse_begin(text, 1795380024805);
  (void)cli::parse_end(text, 1795380024805);
  (void)claim::parse_target(text);
  (void)redis::idempotency_key_fits(text);
  (void)redis::parse_verdict(text);
  (void)mirror::coupon_of_key(text);
  return 0;
}
