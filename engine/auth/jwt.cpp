// A token does not choose how it is verified: only its `kid` counts, and that only among the keys of the file.
#include "engine/auth/jwt.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <simdjson.h>

#include <optional>

#include "engine/auth/base64url.h"
#include "engine/base/ids.h"
#include "engine/http/parser.h"

namespace flashclaim::auth {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr double kSkewS = 30;
constexpr std::size_t kEs256Bytes = 64;
constexpr std::size_t kMembersMax = 32;

struct Parts {
  std::string_view header;
  std::string_view claims;
  std::string_view signature;
  std::string_view signed_text;
};

std::optional<Parts> split(std::string_view token) {
  const auto first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1),
               token.substr(0, second)};
}

const unsigned char* raw(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

/// OpenSSL wants the two numbers of an ECDSA signature as DER.
class DerSignature {
 public:
  explicit DerSignature(std::string_view raw_numbers) {
    if (raw_numbers.size() != kEs256Bytes) return;
    ECDSA_SIG* signature = ECDSA_SIG_new();
    BIGNUM* r = BN_bin2bn(raw(raw_numbers), kEs256Bytes / 2, nullptr);
    BIGNUM* s = BN_bin2bn(raw(raw_numbers.substr(kEs256Bytes / 2)), kEs256Bytes / 2, nullptr);
    ECDSA_SIG_set0(signature, r, s);
    size_ = i2d_ECDSA_SIG(signature, &bytes_);
    ECDSA_SIG_free(signature);
  }
  ~DerSignature() { OPENSSL_free(bytes_); }
  DerSignature(const DerSignature&) = delete;
  DerSignature& operator=(const DerSignature&) = delete;

  [[nodiscard]] std::string_view bytes() const {
    return size_ > 0 ? std::string_view(reinterpret_cast<const char*>(bytes_), static_cast<std::size_t>(size_))
                     : std::string_view();
  }

 private:
  unsigned char* bytes_ = nullptr;
  int size_ = 0;
};

bool verify_public(EVP_MD_CTX* context, const JwtKey& key, std::string_view text, std::string_view signature) {
  const EVP_MD* hash = key.algorithm == Algorithm::kEdDsa ? nullptr : EVP_sha256();
  EVP_MD_CTX_reset(context);
  const bool right = EVP_DigestVerifyInit(context, nullptr, hash, nullptr, key.verifies.get()) == 1 &&
                     EVP_DigestVerify(context, raw(signature), signature.size(), raw(text), text.size()) == 1;
  if (!right) ERR_clear_error();
  return right;
}

bool verify(EVP_MD_CTX* context, const JwtKey& key, std::string_view text, std::string_view signature) {
  switch (key.algorithm) {
    case Algorithm::kHs256: {
      Digest shown;
      if (signature.size() != shown.size()) return false;
      std::copy(signature.begin(), signature.end(), shown.begin());
      return HmacSha256::same(shown, key.hmac->of({text}));
    }
    case Algorithm::kEs256: {
      const DerSignature der(signature);
      return !der.bytes().empty() && verify_public(context, key, text, der.bytes());
    }
    case Algorithm::kRs256:
    case Algorithm::kEdDsa:
      return verify_public(context, key, text, signature);
  }
  return false;
}

/// Two readers must not read two things. The bound keeps what nobody has signed yet from costing much.
bool members_stand_once(const object& json) {
  if (json.size() > kMembersMax) return false;
  for (auto a = json.begin(); a != json.end(); ++a) {
    auto b = a;
    for (++b; b != json.end(); ++b)
      if (a.key() == b.key()) return false;
  }
  return true;
}

std::optional<std::string_view> text_of(const object& json, std::string_view name) {
  std::string_view text;
  if (json[name].get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

bool has(const object& json, std::string_view name) { return json[name].error() == simdjson::SUCCESS; }

bool is_jwt(const object& header) {
  if (has(header, "crit")) return false;
  if (!has(header, "typ")) return true;
  const auto type = text_of(header, "typ");
  return type && (http::equals_ignoring_case(*type, "jwt") || http::equals_ignoring_case(*type, "at+jwt"));
}

Fault check_times(const object& claims, double now_s) {
  double expires = 0;
  if (claims["exp"].get_double().get(expires) != simdjson::SUCCESS) return Fault::kExpired;
  if (expires + kSkewS <= now_s) return Fault::kExpired;
  double begins = 0;
  if (!has(claims, "nbf")) return Fault::kNone;
  if (claims["nbf"].get_double().get(begins) != simdjson::SUCCESS) return Fault::kNotYet;
  return begins - kSkewS > now_s ? Fault::kNotYet : Fault::kNone;
}

bool is_for(const object& claims, std::string_view audience) {
  if (const auto one = text_of(claims, "aud")) return *one == audience;
  simdjson::dom::array many;
  if (claims["aud"].get_array().get(many) != simdjson::SUCCESS) return false;
  bool ours = false;
  for (element entry : many) {
    std::string_view text;
    if (entry.get_string().get(text) != simdjson::SUCCESS) return false;
    ours = ours || text == audience;
  }
  return ours;
}

}  // namespace

struct TokenReader::State {
  /// Of the text in `buffer`; valid until the next call. An object with each member once, or nothing.
  std::optional<object> parse(std::string_view base64url) {
    buffer.clear();
    if (!append_base64url(buffer, base64url)) return std::nullopt;
    buffer.reserve(buffer.size() + simdjson::SIMDJSON_PADDING);
    object json;
    if (parser.parse(buffer.data(), buffer.size(), false).get_object().get(json) != simdjson::SUCCESS ||
        !members_stand_once(json))
      return std::nullopt;
    return json;
  }

  simdjson::dom::parser parser;
  std::string buffer;
  std::string signature;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
};

TokenReader::TokenReader(std::string audience) : audience_(std::move(audience)), state_(std::make_unique<State>()) {}
TokenReader::~TokenReader() { EVP_MD_CTX_free(state_->context); }

TokenUser TokenReader::read(const std::vector<JwtKey>& keys, std::string_view token, std::int64_t now_s) {
  const auto parts = split(token);
  if (!parts) return {Fault::kToken};
  const auto header = state_->parse(parts->header);
  if (!header || !is_jwt(*header)) return {Fault::kToken};
  const auto id = text_of(*header, "kid");
  const JwtKey* key = nullptr;
  for (const JwtKey& candidate : keys)
    if (id && candidate.id == *id) key = &candidate;
  if (!key) return {Fault::kUnknownKey};
  const auto algorithm = parse_algorithm(text_of(*header, "alg").value_or(""));
  if (algorithm != key->algorithm) return {Fault::kAlgorithm};

  state_->signature.clear();
  if (!append_base64url(state_->signature, parts->signature) ||
      !verify(state_->context, *key, parts->signed_text, state_->signature))
    return {Fault::kSignature};

  const auto claims = state_->parse(parts->claims);
  if (!claims) return {Fault::kToken};
  if (const Fault fault = check_times(*claims, static_cast<double>(now_s)); fault != Fault::kNone) return {fault};
  if (!is_for(*claims, audience_)) return {Fault::kAudience};
  const auto subject = text_of(*claims, "sub");
  const auto user_id = subject ? parse_id(*subject) : std::nullopt;
  if (!user_id) return {Fault::kSubject};
  return {Fault::kNone, *subject, *user_id};
}

}  // namespace flashclaim::auth
