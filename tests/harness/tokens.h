// An issuer of tokens for tests: a key of its own, its JWK, and whatever it is told to sign, right or wrong.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace flashclaim::harness {

std::string base64url(std::string_view bytes);

class TokenMint {
 public:
  /// `HS256`, `RS256`, `ES256` or `EdDSA`. Throws when OpenSSL refuses.
  TokenMint(std::string algorithm, std::string key_id);

  /// What belongs into a JWK set: the public half, or the secret of HS256.
  [[nodiscard]] std::string jwk() const { return jwk(algorithm_); }
  /// The same key, said to be for another algorithm.
  [[nodiscard]] std::string jwk(const std::string& algorithm) const;

  /// A token with the right header.
  [[nodiscard]] std::string token(const std::string& claims) const;
  /// Signed in this key's way, whatever the header says.
  [[nodiscard]] std::string token(const std::string& header, const std::string& claims) const;
  [[nodiscard]] std::string header() const;
  /// The public key as PEM, which attackers use as a secret.
  [[nodiscard]] std::string pem() const;

  [[nodiscard]] const std::string& algorithm() const { return algorithm_; }

 private:
  [[nodiscard]] std::string sign(const std::string& text) const;
  std::string algorithm_;
  std::string key_id_;
  std::string secret_;  ///< of HS256
  std::shared_ptr<evp_pkey_st> key_;
};

/// HMAC-SHA256, as HS256 has it.
std::string hmac_sha256(std::string_view secret, std::string_view text);

/// `{"keys":[…]}`
std::string jwk_set(std::initializer_list<std::string> jwks);

}  // namespace flashclaim::harness
