// Points and moduli go through OpenSSL's EVP_PKEY_fromdata, which checks that they are on the curve.
#include "engine/auth/jwks.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <simdjson.h>

#include "engine/auth/base64url.h"
#include "engine/base/secret_file.h"

namespace flashclaim::auth {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::size_t kKeyIdMax = 64;
constexpr std::size_t kHmacSecretMin = 32;
constexpr int kRsaBitsMin = 2048;
constexpr std::size_t kP256Bytes = 32;

template <auto Free>
struct Freeing {
  template <class T>
  void operator()(T* thing) const {
    Free(thing);
  }
};
using Context = std::unique_ptr<EVP_PKEY_CTX, Freeing<EVP_PKEY_CTX_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freeing<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freeing<OSSL_PARAM_free>>;
using Number = std::unique_ptr<BIGNUM, Freeing<BN_free>>;

std::string_view text_of(const object& jwk, std::string_view name) {
  std::string_view text;
  if (jwk[name].get_string().get(text) != simdjson::SUCCESS) return {};
  return text;
}

/// Empty when it is missing or no base64url.
std::string bytes_of(const object& jwk, std::string_view name) {
  std::string bytes;
  if (!append_base64url(bytes, text_of(jwk, name))) wipe(bytes);
  return bytes;
}

const unsigned char* raw(const std::string& bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

std::shared_ptr<EVP_PKEY> from_params(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  return {key, EVP_PKEY_free};
}

std::shared_ptr<EVP_PKEY> rsa_key(const object& jwk) {
  const std::string n = bytes_of(jwk, "n");
  const std::string e = bytes_of(jwk, "e");
  const Number modulus(BN_bin2bn(raw(n), static_cast<int>(n.size()), nullptr));
  const Number exponent(BN_bin2bn(raw(e), static_cast<int>(e.size()), nullptr));
  if (!modulus || !exponent || BN_num_bits(modulus.get()) < kRsaBitsMin || !BN_is_odd(exponent.get()) ||
      BN_is_one(exponent.get()))
    return nullptr;
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return from_params("RSA", builder.get());
}

std::shared_ptr<EVP_PKEY> p256_key(const object& jwk) {
  const std::string x = bytes_of(jwk, "x");
  const std::string y = bytes_of(jwk, "y");
  if (text_of(jwk, "crv") != "P-256" || x.size() != kP256Bytes || y.size() != kP256Bytes) return nullptr;
  const std::string point = "\x04" + x + y;
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return from_params("EC", builder.get());
}

std::shared_ptr<EVP_PKEY> ed25519_key(const object& jwk) {
  const std::string x = bytes_of(jwk, "x");
  if (text_of(jwk, "crv") != "Ed25519") return nullptr;
  return {EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(x), x.size()), EVP_PKEY_free};
}

std::string_view key_type(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kHs256:
      return "oct";
    case Algorithm::kRs256:
      return "RSA";
    case Algorithm::kEs256:
      return "EC";
    case Algorithm::kEdDsa:
      return "OKP";
  }
  return {};
}

Result<JwtKey> public_key(std::string id, Algorithm algorithm, const object& jwk) {
  if (element secret; jwk["d"].get(secret) == simdjson::SUCCESS)
    return failure("it is a private key: only its public half belongs here");
  std::shared_ptr<EVP_PKEY> key = algorithm == Algorithm::kRs256   ? rsa_key(jwk)
                                  : algorithm == Algorithm::kEs256 ? p256_key(jwk)
                                                                   : ed25519_key(jwk);
  if (!key) return failure("its numbers are no key for its alg (RSA: at least 2048 bits; EC: P-256; OKP: Ed25519)");
  return JwtKey{std::move(id), algorithm, std::nullopt, std::move(key)};
}

Result<JwtKey> parse_key(const object& jwk) {
  std::string id(text_of(jwk, "kid"));
  if (id.empty() || id.size() > kKeyIdMax) return failure("it needs a kid of 1 to 64 bytes");
  const auto algorithm = parse_algorithm(text_of(jwk, "alg"));
  if (!algorithm) return failure("it needs an alg: HS256, RS256, ES256 or EdDSA");
  if (text_of(jwk, "kty") != key_type(*algorithm)) return failure("its kty does not fit its alg");
  if (element use; jwk["use"].get(use) == simdjson::SUCCESS && text_of(jwk, "use") != "sig")
    return failure("its use is not sig");
  if (*algorithm != Algorithm::kHs256) return public_key(std::move(id), *algorithm, jwk);
  std::string secret = bytes_of(jwk, "k");
  if (secret.size() < kHmacSecretMin) return failure("its k is not base64url of at least 32 bytes");
  JwtKey key{std::move(id), *algorithm, HmacSha256(secret)};
  wipe(secret);
  return key;
}

}  // namespace

std::optional<Algorithm> parse_algorithm(std::string_view text) {
  if (text == "HS256") return Algorithm::kHs256;
  if (text == "RS256") return Algorithm::kRs256;
  if (text == "ES256") return Algorithm::kEs256;
  if (text == "EdDSA") return Algorithm::kEdDsa;
  return std::nullopt;
}

Result<std::vector<JwtKey>> parse_jwks(std::string_view json) {
  simdjson::dom::parser parser;
  element document;
  simdjson::dom::array listed;
  const simdjson::padded_string padded(json);
  if (parser.parse(padded).get(document) != simdjson::SUCCESS ||
      document["keys"].get_array().get(listed) != simdjson::SUCCESS)
    return failure("it is no JSON Web Key Set: {\"keys\":[...]}");
  std::vector<JwtKey> keys;
  for (element entry : listed) {
    const std::string where = "key " + std::to_string(keys.size() + 1) + ": ";
    object jwk;
    if (entry.get_object().get(jwk) != simdjson::SUCCESS) return failure(where + "it is no object");
    auto key = parse_key(jwk);
    if (!key) return failure(where + key.error().message);
    for (const JwtKey& other : keys)
      if (other.id == key->id) return failure(where + "its kid stands twice");
    keys.push_back(std::move(*key));
  }
  if (keys.empty()) return failure("it holds no key");
  return keys;
}

}  // namespace flashclaim::auth
