// Compares the Origin header with the configured origins, and builds the header lines of the answers.
#include "engine/http/cors.h"

#include <algorithm>

namespace flashclaim::http {
namespace {

constexpr std::size_t kOriginsMax = 64;
constexpr std::string_view kExpose =
    "Access-Control-Expose-Headers: Date, ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, "
    "Retry-After, X-Request-Id, X-Server-Time-Ms\r\n";
constexpr std::string_view kPreflight =
    "Access-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Request-Id, "
    "X-User-Id\r\nAccess-Control-Max-Age: 86400\r\n";

/// scheme://host[:port], in lower case, without a path: anything else would never match.
bool is_origin(std::string_view text) {
  const auto colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0 || colon + 3 >= text.size()) return false;
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  auto in_host = [&](char c) { return plain(c) || c == ':' || c == '[' || c == ']' || c == '_'; };
  const std::string_view scheme = text.substr(0, colon);
  const std::string_view host = text.substr(colon + 3);
  return std::all_of(scheme.begin(), scheme.end(), plain) && std::all_of(host.begin(), host.end(), in_host);
}

std::string lines_for(std::string_view origin) {
  return std::string("Access-Control-Allow-Origin: ").append(origin).append("\r\n").append(kExpose);
}

}  // namespace

Result<Cors> Cors::of(const std::vector<std::string>& origins) {
  Cors cors;
  if (origins.empty()) return cors;
  if (origins.size() > kOriginsMax) return failure("at most 64 origins");
  if (std::find(origins.begin(), origins.end(), "*") != origins.end()) {
    if (origins.size() > 1) return failure("'*' stands alone");
    cors.lines_ = {"", lines_for("*")};
    return cors;
  }
  cors.lines_.push_back("Vary: Origin\r\n");
  for (const std::string& origin : origins) {
    if (!is_origin(origin)) return failure("'" + origin + "' is no origin, like https://shop.example, or *");
    cors.origins_.push_back(origin);
    cors.lines_.push_back(lines_for(origin) + "Vary: Origin\r\n");
  }
  return cors;
}

std::uint8_t Cors::match(const Request& request) const {
  if (lines_.empty()) return 0;
  const HeaderMatch origin = request.header("origin");
  if (origin.count != 1) return 0;
  if (origins_.empty()) return 1;
  for (std::size_t i = 0; i < origins_.size(); ++i)
    if (origins_[i] == origin.value) return static_cast<std::uint8_t>(i + 1);
  return 0;
}

std::string Cors::preflight(const Request& request, std::string_view methods) const {
  if (match(request) == 0 || request.header("access-control-request-method").count != 1) return {};
  return std::string("Access-Control-Allow-Methods: ").append(methods).append("\r\n").append(kPreflight);
}

}  // namespace flashclaim::http
