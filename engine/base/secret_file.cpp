// Opens a secret file, judges its mode, then reads it whole; buffers are wiped after use.
#include "engine/base/secret_file.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/base/text.h"
#include "engine/base/try.h"

namespace flashclaim {
namespace {

constexpr std::size_t kFileMax = 1U << 20;

struct Descriptor {
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  const int fd;
};

Error unreadable(const std::string& path) { return failure(path + " cannot be read: " + std::strerror(errno)); }

Result<void> judge(const struct stat& about, const std::string& path, SecretFor readers) {
  if ((about.st_mode & static_cast<mode_t>(readers)) == 0) return {};
  const char* who = readers == SecretFor::kOwner ? "others than its owner" : "everybody";
  return failure(path + " is open to " + who + ": chmod 600 " + path + ", and better put a new secret into it");
}

/// Into room that is there beforehand: text that grows would leave copies of itself in freed memory.
Result<std::string> read_all(int fd, const std::string& path, std::size_t expected) {
  std::string text(std::min(expected, kFileMax) + 1, '\0');
  std::size_t length = 0;
  while (true) {
    const ssize_t got = read(fd, text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) break;
    if (got > 0) length += static_cast<std::size_t>(got);
    if (got > 0 && length < text.size()) continue;
    const Error why = got < 0             ? unreadable(path)
                      : length > kFileMax ? failure(path + " is larger than 1 MiB")
                                          : failure(path + " was written while it was read: try again");
    wipe(text);
    return why;
  }
  text.resize(length);
  return text;
}

}  // namespace

Result<std::string> read_secret_file(const std::string& path, SecretFor readers) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (file.fd < 0 || fstat(file.fd, &about) != 0) return unreadable(path);
  TRY(judge(about, path, readers));
  const bool says_size = S_ISREG(about.st_mode) && about.st_size > 0;  // a pipe does not
  auto text = TRY(read_all(file.fd, path, says_size ? static_cast<std::size_t>(about.st_size) : kFileMax));
  if (auto fine = refuse_byte_order_mark(text); !fine) {
    wipe(text);
    return failure(path + ' ' + fine.error().message);
  }
  return text;
}

Result<void> check_secret_file(const std::string& path, SecretFor readers) {
  auto text = TRY(read_secret_file(path, readers));
  wipe(text);
  return {};
}

void wipe(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace flashclaim
