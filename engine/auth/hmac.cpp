// The functions of <openssl/sha.h> are deprecated, and used on purpose: EVP_MAC and EVP_Digest of OpenSSL
// 3.0 allocate and fetch for every message (bench/parts/auth.cpp has both); these are plain structs.
#define OPENSSL_SUPPRESS_DEPRECATED  // NOLINT: OpenSSL's own name
#include "engine/auth/hmac.h"

#include <openssl/crypto.h>

#include <algorithm>

namespace flashclaim::auth {
namespace {

using Block = std::array<unsigned char, SHA256_CBLOCK>;

Block block_of(std::string_view secret) {
  Block block{};
  if (secret.size() > block.size()) {
    SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), block.data());
  } else {
    std::copy(secret.begin(), secret.end(), block.begin());
  }
  return block;
}

void begin(SHA256_CTX& context, const Block& key, unsigned char pad) {
  Block padded;
  std::transform(key.begin(), key.end(), padded.begin(),
                 [pad](unsigned char byte) { return static_cast<unsigned char>(byte ^ pad); });
  SHA256_Init(&context);
  SHA256_Update(&context, padded.data(), padded.size());
  OPENSSL_cleanse(padded.data(), padded.size());
}

}  // namespace

HmacSha256::HmacSha256(std::string_view secret) {
  Block key = block_of(secret);
  begin(inner_, key, 0x36);
  begin(outer_, key, 0x5c);
  OPENSSL_cleanse(key.data(), key.size());
}

HmacSha256::~HmacSha256() {
  OPENSSL_cleanse(&inner_, sizeof inner_);
  OPENSSL_cleanse(&outer_, sizeof outer_);
}

Digest HmacSha256::of(std::initializer_list<std::string_view> parts) const {
  Digest digest;
  SHA256_CTX context = inner_;
  for (std::string_view part : parts) SHA256_Update(&context, part.data(), part.size());
  SHA256_Final(digest.data(), &context);
  context = outer_;
  SHA256_Update(&context, digest.data(), digest.size());
  SHA256_Final(digest.data(), &context);
  return digest;
}

bool HmacSha256::same(const Digest& a, const Digest& b) { return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

}  // namespace flashclaim::auth
