// Writes to stdout and checks the stream's state after a flush.
#include "engine/base/print.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace flashclaim {

bool print(std::string_view text) {
  errno = 0;
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  std::fprintf(stderr, "%s: the answer could not be written to stdout: %s\n", program_invocation_short_name,
               std::strerror(errno));
  return false;
}

}  // namespace flashclaim
