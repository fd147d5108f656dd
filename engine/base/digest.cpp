// SHA-1 through OpenSSL; see digest.h.
#include "engine/base/digest.h"

#include <openssl/evp.h>

#include <cassert>

namespace flashclaim {

std::string checksum(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  [[maybe_unused]] int done = EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  assert(done == 1 && size >= 8);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (int i = 0; i < 8; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

}  // namespace flashclaim
