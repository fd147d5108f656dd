// Checks the mode on the open descriptor, then reads the file whole; buffers are wiped after use.
#include "engine/auth/secret_file.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/base/text.h"

namespace flashclaim::auth {
namespace {

constexpr std::size_t kFileMax = 1U << 20;

Result<std::string> read_all(int fd, const std::string& path) {
  std::string text;
  char buffer[16384];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0) return failure("cannot read " + path + ": " + std::strerror(errno));
    if (got == 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kFileMax) return failure(path + " is larger than 1 MiB");
  }
  OPENSSL_cleanse(buffer, sizeof buffer);
  return text;
}

}  // namespace

Result<std::string> read_file(const std::string& path, Secrecy secrecy) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failure("cannot read " + path + ": " + std::strerror(errno));
  struct stat about {};
  const bool known = fstat(fd, &about) == 0;
  if (secrecy == Secrecy::kPrivate && (!known || (about.st_mode & (S_IROTH | S_IWOTH)) != 0)) {
    close(fd);
    return failure(path + " can be read by everybody: chmod 600 " + path);
  }
  auto text = read_all(fd, path);
  close(fd);
  if (!text) return text;
  if (auto fine = refuse_byte_order_mark(*text); !fine) return failure(path + " " + fine.error().message);
  return text;
}

void wipe(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace flashclaim::auth
