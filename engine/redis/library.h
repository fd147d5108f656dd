// Loading and inspecting the Redis Functions library `flashclaim` on a server.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/assets.h"
#include "engine/redis/client.h"

namespace flashclaim::redis {

/// What a server has loaded.
struct LoadedLibrary {
  int version = 0;
  std::string hash;  ///< of the text, as stamped at assembly
};

/// Asks the library itself (`flashclaim_version`); nullopt when the server has none.
Result<std::optional<LoadedLibrary>> loaded_library(Client& client);

enum class LoadOutcome {
  kLoaded,     ///< there was none, or an older one
  kReplaced,   ///< the same version and hash with another text: it was tampered with
  kUnchanged,  ///< exactly this one was there
  kNewer,      ///< a newer one is there: nothing done
  kOtherText,  ///< the same version with another hash, of a build whose VERSION was not raised: nothing done
};
std::string_view word(LoadOutcome outcome);

/// FUNCTION LOAD REPLACE: atomic on the server, a text that does not load leaves the old one. Repeatable. Never
/// replaces a newer version, or another text of the same, unless `downgrade` (flashctl lua rollback).
Result<LoadOutcome> load_library(Client& client, const LuaLibrary& library, bool downgrade = false);

/// The text of the loaded library as the server has it; nullopt when it has none.
Result<std::optional<std::string>> loaded_code(Client& client);

/// The names of the loaded functions, sorted; empty when there is no library.
Result<std::vector<std::string>> loaded_functions(Client& client);

/// True when the server's text is byte for byte that of `library`.
Result<bool> verify_library(Client& client, const LuaLibrary& library);

/// The version and hash that are stamped into a text made by lua/assemble.cmake; nullopt when it is none.
std::optional<LoadedLibrary> stamp_of(std::string_view code);

}  // namespace flashclaim::redis
