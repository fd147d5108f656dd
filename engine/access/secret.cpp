// Writes secret files with mode 0600, and computes the password hashes of Redis, RabbitMQ and PostgreSQL (SCRAM).
#include "engine/access/secret.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "engine/base/secret_file.h"
#include "engine/base/try.h"

namespace flashclaim::access {
namespace {

constexpr std::size_t kPasswordMin = 32;
constexpr std::size_t kPasswordMax = 256;
constexpr int kScramIterations = 4096;  // PostgreSQL's own

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string_view text_of(const Digest& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

Digest sha256(std::string_view text) {
  Digest digest;
  SHA256(bytes(text), text.size(), digest.data());
  return digest;
}

Digest hmac(const Digest& key, std::string_view text) {
  Digest digest;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(text), text.size(), digest.data(), nullptr);
  return digest;
}

std::string hex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::string base64(std::string_view text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes(text), static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

std::string salt(std::string_view service, std::string_view user, std::string_view password, std::size_t length) {
  const Digest digest =
      sha256("flashclaim salt " + std::string(service) + ' ' + std::string(user) + ' ' + std::string(password));
  return std::string(text_of(digest).substr(0, length));
}

bool fits(std::string_view password) {
  return password.size() >= kPasswordMin && password.size() <= kPasswordMax &&
         std::all_of(password.begin(), password.end(),
                     [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-'; });
}

Error errno_failure(const std::string& path) { return failure(path + ": " + std::strerror(errno)); }

Result<void> write_whole(int fd, const std::string& path, std::string_view text) {
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  const int why = errno;
  close(fd);
  errno = why;
  return written ? Result<void>() : errno_failure(path);
}

/// A file's name is on the disk only after its folder is synced.
Result<void> sync_folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int why = errno;
  if (fd >= 0) close(fd);
  errno = why;
  return synced ? Result<void>() : errno_failure(folder);
}

}  // namespace

std::string random_password() {
  std::array<unsigned char, 24> random{};
  const bool filled = RAND_bytes(random.data(), random.size()) == 1;
  assert(filled && "no random numbers");
  (void)filled;
  return hex({reinterpret_cast<const char*>(random.data()), random.size()});
}

Result<std::string> read_password(const std::string& path) {
  auto password = TRY(read_secret_file(path, SecretFor::kOwner));
  if (!password.empty() && password.back() == '\n') password.pop_back();
  if (password.empty())
    return failure(
        path + " is empty (a power cut?): remove it, and it is made anew; then its service is told, as make up does");
  if (fits(password)) return password;
  wipe(password);
  return failure(path + ": a password has 32 to 256 of A-Z a-z 0-9 _ -");
}

Result<bool> make_password(const std::string& path) {
  if (::access(path.c_str(), F_OK) == 0) return false;
  const std::string fresh = path + ".new-" + std::to_string(getpid());
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return errno_failure(fresh);
  auto written = write_whole(fd, fresh, random_password() + '\n');
  const bool mine = written && link(fresh.c_str(), path.c_str()) == 0;  // link() never replaces an existing file
  const int why = errno;
  unlink(fresh.c_str());
  if (mine) {
    TRY(sync_folder_of(path));
  }
  if (!written) return written.error();
  errno = why;
  if (!mine && why != EEXIST) return errno_failure(path);
  return mine;
}

std::string redis_hash(std::string_view password) { return hex(text_of(sha256(password))); }

std::string rabbitmq_hash(std::string_view user, std::string_view password) {
  const std::string grain = salt("rabbitmq", user, password, 4);
  return base64(grain + std::string(text_of(sha256(grain + std::string(password)))));
}

std::string postgres_verifier(std::string_view role, std::string_view password) {
  const std::string grain = salt("postgres", role, password, 16);
  Digest salted;
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(grain), static_cast<int>(grain.size()),
                    kScramIterations, EVP_sha256(), static_cast<int>(salted.size()), salted.data());
  const Digest stored = sha256(text_of(hmac(salted, "Client Key")));
  const Digest server = hmac(salted, "Server Key");
  return "SCRAM-SHA-256$" + std::to_string(kScramIterations) + ':' + base64(grain) + '$' + base64(text_of(stored)) +
         ':' + base64(text_of(server));
}

}  // namespace flashclaim::access
