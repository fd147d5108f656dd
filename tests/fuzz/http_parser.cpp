// Bytes through the HTTP parser and the router: what a request is does not depend on where the bytes were cut, nor on
// what follows it.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/auth/credentials.h"
#include "engine/base/ids.h"
#include "engine/claim/route.h"
#include "engine/http/parser.h"

using namespace flashclaim;

namespace {

// Small, so that inputs of a fuzzer's size reach the limits.
constexpr std::size_t kHeaderBytes = 512;
constexpr std::size_t kBodyBytes = 128;

void require(bool holds) {
  if (!holds) std::abort();
}

void route(const http::Request& request) {
  const auto target = claim::parse_target(request.path);
  const auto shown = auth::credentials_of(request);
  require(shown.user.empty() || (shown.present & auth::Credentials::kUser) != 0);
  if (const auto id = parse_id(shown.user)) require(std::to_string(*id) == shown.user);
  if (const auto id = parse_id(target.id)) require(std::to_string(*id) == target.id);
  if (const auto id = parse_claim_id(target.id)) require(id->text() == target.id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t cut_at = data[0] * 256U + data[1];
  // A copy of exact size: a read beyond the end is seen.
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  static http::Parser parser(kHeaderBytes, kBodyBytes);
  static http::Request request;
  const auto whole = parser.parse(bytes, request);
  require(whole.consumed <= bytes.size());
  if (whole.outcome == http::ParseOutcome::kRequest) {
    require(whole.consumed > 0 && !request.path.empty() && request.headers_n <= http::Request::kHeadersMax);
    require(request.body.size() <= kBodyBytes);
    route(request);
  } else if (whole.outcome == http::ParseOutcome::kIncomplete) {
    require(bytes.size() <= parser.bytes_max());
  }
  const std::string part = bytes.substr(0, cut_at % (bytes.size() + 1));
  const auto early = parser.parse(part, request);
  const bool is_request = whole.outcome == http::ParseOutcome::kRequest;
  if (early.outcome == http::ParseOutcome::kRequest) require(is_request && early.consumed == whole.consumed);
  if (is_request && part.size() >= whole.consumed) require(early.outcome == http::ParseOutcome::kRequest);
  if (is_request && part.size() < whole.consumed) require(early.outcome == http::ParseOutcome::kIncomplete);
  return 0;
}
