// Written with OpenSSL directly and not with engine/auth: what checks a thing must not share its errors.
#include "tests/harness/tokens.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <stdexcept>
#include <vector>

namespace flashclaim::harness {
namespace {

void must_do(bool done) {
  if (!done) throw std::runtime_error("OpenSSL refused");
}

const unsigned char* raw(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::shared_ptr<EVP_PKEY> new_key(const std::string& algorithm) {
  EVP_PKEY* key = algorithm == "RS256"   ? EVP_RSA_gen(2048)
                  : algorithm == "ES256" ? EVP_EC_gen("P-256")
                                         : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  must_do(key != nullptr);
  return {key, EVP_PKEY_free};
}

std::string number_of(EVP_PKEY* key, const char* name, std::size_t size = 0) {
  BIGNUM* number = nullptr;
  must_do(EVP_PKEY_get_bn_param(key, name, &number) == 1);
  std::string bytes(size > 0 ? size : static_cast<std::size_t>(BN_num_bytes(number)), '\0');
  must_do(BN_bn2binpad(number, raw(bytes), static_cast<int>(bytes.size())) > 0);
  BN_free(number);
  return bytes;
}

/// DER to the two numbers side by side.
std::string raw_numbers(const std::string& der) {
  const unsigned char* at = raw(std::string_view(der));
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  must_do(signature != nullptr);
  std::string bytes(64, '\0');
  must_do(BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw(bytes), 32) > 0);
  must_do(BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw(bytes) + 32, 32) > 0);
  ECDSA_SIG_free(signature);
  return bytes;
}

}  // namespace

std::string base64url(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(raw(text), raw(bytes), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  while (!text.empty() && text.back() == '=') text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::string hmac_sha256(std::string_view secret, std::string_view text) {
  std::string digest(32, '\0');
  unsigned int size = 0;
  must_do(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), raw(text), text.size(), raw(digest),
               &size) != nullptr);
  return digest;
}

std::string jwk_set(std::initializer_list<std::string> jwks) {
  std::string json = R"({"keys":[)";
  for (const std::string& jwk : jwks) json += (json.back() == '[' ? "" : ",") + jwk;
  return json + "]}";
}

TokenMint::TokenMint(std::string algorithm, std::string key_id)
    : algorithm_(std::move(algorithm)), key_id_(std::move(key_id)) {
  if (algorithm_ != "HS256") {
    key_ = new_key(algorithm_);
    return;
  }
  secret_.resize(32);
  must_do(RAND_bytes(raw(secret_), 32) == 1);
}

std::string TokenMint::jwk(const std::string& algorithm) const {
  std::string members = R"({"kid":")" + key_id_ + R"(","use":"sig","alg":")" + algorithm + "\",";
  if (algorithm_ == "HS256") return members + R"("kty":"oct","k":")" + base64url(secret_) + "\"}";
  if (algorithm_ == "RS256")
    return members + R"("kty":"RSA","n":")" + base64url(number_of(key_.get(), OSSL_PKEY_PARAM_RSA_N)) + R"(","e":")" +
           base64url(number_of(key_.get(), OSSL_PKEY_PARAM_RSA_E)) + "\"}";
  if (algorithm_ == "ES256")
    return members + R"("kty":"EC","crv":"P-256","x":")" +
           base64url(number_of(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, 32)) + R"(","y":")" +
           base64url(number_of(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, 32)) + "\"}";
  std::string point(32, '\0');
  std::size_t size = point.size();
  must_do(EVP_PKEY_get_raw_public_key(key_.get(), raw(point), &size) == 1);
  return members + R"("kty":"OKP","crv":"Ed25519","x":")" + base64url(point) + "\"}";
}

std::string TokenMint::pem() const {
  BIO* out = BIO_new(BIO_s_mem());
  must_do(PEM_write_bio_PUBKEY(out, key_.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(out);
  return pem;
}

std::string TokenMint::header() const {
  return R"({"alg":")" + algorithm_ + R"(","typ":"JWT","kid":")" + key_id_ + "\"}";
}

std::string TokenMint::token(const std::string& claims) const { return token(header(), claims); }

std::string TokenMint::token(const std::string& header, const std::string& claims) const {
  const std::string text = base64url(header) + "." + base64url(claims);
  return text + "." + base64url(sign(text));
}

std::string TokenMint::sign(const std::string& text) const {
  if (algorithm_ == "HS256") return hmac_sha256(secret_, text);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  must_do(EVP_DigestSignInit(context, nullptr, algorithm_ == "EdDSA" ? nullptr : EVP_sha256(), nullptr, key_.get()) ==
          1);
  std::size_t size = 0;
  must_do(EVP_DigestSign(context, nullptr, &size, raw(std::string_view(text)), text.size()) == 1);
  std::string signature(size, '\0');
  must_do(EVP_DigestSign(context, raw(signature), &size, raw(std::string_view(text)), text.size()) == 1);
  EVP_MD_CTX_free(context);
  signature.resize(size);
  return algorithm_ == "ES256" ? raw_numbers(signature) : signature;
}

}  // namespace flashclaim::harness
