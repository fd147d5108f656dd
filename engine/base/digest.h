// The checksum that stream entries and messages carry.
#pragma once

#include <string>
#include <string_view>

namespace flashclaim {

/// The first 16 hex digits of SHA-1: the same as Lua's `redis.sha1hex(text):sub(1, 16)`. Guards against damage on the
/// way, not against an attacker.
std::string checksum(std::string_view text);

}  // namespace flashclaim
