// A file with secrets: read whole, refused when others may read it.
#pragma once

#include <string>

#include "engine/base/result.h"

namespace flashclaim::auth {

enum class Secrecy {
  kPublic,   ///< anybody may read it
  kPrivate,  ///< refused when it can be read or written by others than its owner and group
};

/// At most 1 MiB. The error names the file and what to do, never its contents.
Result<std::string> read_file(const std::string& path, Secrecy secrecy);

/// Overwrites the text, then empties it.
void wipe(std::string& text);

}  // namespace flashclaim::auth
