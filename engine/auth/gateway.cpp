// Parses the key file line by line, and computes the signature that a request must carry.
#include "engine/auth/gateway.h"

#include <algorithm>
#include <optional>

#include "engine/base/ids.h"
#include "engine/base/secret_file.h"

namespace flashclaim::auth {
namespace {

constexpr std::int64_t kSkewS = 30;
constexpr std::size_t kKeyIdMax = 32;
constexpr std::size_t kSecretMin = 32;
constexpr std::size_t kSecretMax = 128;

int hex_value(char c, bool upper_too) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (upper_too && c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// One text per digest: lower case only.
std::optional<Digest> digest_from(std::string_view hex) {
  Digest digest;
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = hex_value(hex[2 * i], false);
    const int low = hex_value(hex[2 * i + 1], false);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return digest;
}

bool is_key_id(std::string_view id) {
  return !id.empty() && id.size() <= kKeyIdMax && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
           c == '-';
  });
}

/// Empty when it is no secret.
std::string secret_from(std::string_view hex) {
  std::string secret;
  if (hex.size() % 2 != 0 || hex.size() < 2 * kSecretMin || hex.size() > 2 * kSecretMax) return secret;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_value(hex[i], true);
    const int low = hex_value(hex[i + 1], true);
    if (high < 0 || low < 0) return {};
    secret.push_back(static_cast<char>(high << 4 | low));
  }
  return secret;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
}

Result<GatewayKey> parse_line(std::string_view line) {
  const auto blank = line.find_first_of(" \t");
  const std::string_view id = line.substr(0, blank);
  std::string secret = blank == std::string_view::npos ? std::string() : secret_from(trimmed(line.substr(blank)));
  if (!is_key_id(id)) return failure("a key's id is 1 to 32 of A-Z a-z 0-9 _ . -");
  if (secret.empty()) return failure("a secret is 64 to 256 hex digits after the key's id");
  GatewayKey key{std::string(id), HmacSha256(secret)};
  wipe(secret);
  return key;
}

std::string_view method_text(http::Method method) {
  switch (method) {
    case http::Method::kGet:
      return "GET";
    case http::Method::kHead:
      return "HEAD";
    case http::Method::kPost:
      return "POST";
    case http::Method::kOptions:
      return "OPTIONS";
    case http::Method::kOther:
      break;
  }
  return {};
}

}  // namespace

Result<std::vector<GatewayKey>> parse_gateway_keys(std::string_view text) {
  std::vector<GatewayKey> keys;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty() || line.front() == '#') continue;
    auto key = parse_line(line);
    const std::string where = "line " + std::to_string(number) + ": ";
    if (!key) return failure(where + key.error().message);
    for (const GatewayKey& other : keys)
      if (other.id == key->id) return failure(where + "the key's id stands twice");
    keys.push_back(std::move(*key));
  }
  if (keys.empty()) return failure("it holds no key");
  return keys;
}

Digest gateway_signature(const HmacSha256& hmac, const GatewayWords& words) {
  return hmac.of({words.method, "\n", words.path, "\n", words.user, "\n", words.time,
                  words.idempotency_key ? "\nidempotency-key:" : "", words.idempotency_key.value_or("")});
}

Fault check_gateway(const std::vector<GatewayKey>& keys, const http::Request& request, const Credentials& shown,
                    std::int64_t now_s) {
  const auto signature = digest_from(shown.signature);
  const auto time = parse_number(shown.time);
  if (!signature || !time) return Fault::kMalformed;
  const http::HeaderMatch idempotency = request.header("idempotency-key");
  if (idempotency.count > 1) return Fault::kTwice;  // which of them was signed?
  GatewayWords words{method_text(request.method), request.path_as_sent, shown.user, shown.time};
  if (idempotency.count == 1) words.idempotency_key = idempotency.value;
  for (const GatewayKey& key : keys) {
    if (key.id != shown.key) continue;
    if (!HmacSha256::same(*signature, gateway_signature(key.hmac, words))) return Fault::kSignature;
    return *time < now_s - kSkewS || *time > now_s + kSkewS ? Fault::kClock : Fault::kNone;
  }
  return Fault::kUnknownKey;
}

std::string hex_of(const Digest& digest) {
  std::string text;
  for (unsigned char byte : digest) {
    text.push_back("0123456789abcdef"[byte >> 4]);
    text.push_back("0123456789abcdef"[byte & 15]);
  }
  return text;
}

}  // namespace flashclaim::auth
