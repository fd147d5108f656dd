// The only std::getenv of the programs: whatever else wants a variable asks here.
#include "engine/base/environment.h"

#include <unistd.h>

#include <cstdlib>

#include "engine/base/secret_file.h"
#include "engine/base/text.h"

namespace flashclaim {

std::string env(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

bool has_env(const std::string& name) { return !env(name).empty() || !env(name + "_FILE").empty(); }

Result<std::string> require_env(const std::string& name) {
  if (std::string value = env(name); !value.empty()) {
    if (auto fine = refuse_byte_order_mark(value); !fine) return failure(name + " " + fine.error().message);
    return value;
  }
  const std::string path = env(name + "_FILE");
  if (path.empty()) return failure(name + " is not set: run `make up`, then `source .run/env`");
  auto held = read_secret_file(path, SecretFor::kGroup);
  if (!held) return failure(name + "_FILE: " + held.error().message);
  std::string value = held->substr(0, held->find('\n'));
  wipe(*held);
  if (value.empty()) return failure(name + "_FILE: " + path + " is empty");
  return value;
}

bool may_colour(int fd) { return isatty(fd) != 0 && env("NO_COLOR").empty(); }

}  // namespace flashclaim
