// HMAC-SHA256 with a key that is prepared once: what a request costs is the hashing itself, without an allocation.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <initializer_list>
#include <string_view>

namespace flashclaim::auth {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

/// Immutable once made; any number of threads may use one.
class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view secret);
  ~HmacSha256();  ///< wipes what was derived from the secret
  HmacSha256(const HmacSha256&) = default;
  HmacSha256& operator=(const HmacSha256&) = default;

  /// Of the parts, joined.
  [[nodiscard]] Digest of(std::initializer_list<std::string_view> parts) const;
  /// In a time that does not depend on where they differ.
  [[nodiscard]] static bool same(const Digest& a, const Digest& b);

 private:
  SHA256_CTX inner_{};
  SHA256_CTX outer_{};
};

}  // namespace flashclaim::auth
