// The Lua library and the database migrations of this build, embedded at compile time.
#pragma once

#include <string_view>
#include <vector>

namespace flashclaim {

/// The assembled Redis library: `version` rises by hand (lua/VERSION), `hash` is that of its text.
struct LuaLibrary {
  int version;
  std::string_view hash;
  std::string_view code;
};
extern const LuaLibrary kLuaLibrary;

struct Migration {
  int number;
  std::string_view name;
  std::string_view sha256;
  std::string_view sql;
};
/// In number order, numbers from 1 without a gap.
const std::vector<Migration>& migrations();

}  // namespace flashclaim
