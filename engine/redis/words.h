// Reading the words and lists of the library's replies, and building its calls; private to this room.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/redis/client.h"

namespace flashclaim::redis {

/// An enum and its words in the Lua library, both ways: the one mapper of that enum.
template <class Enum, std::size_t N>
using Words = std::array<std::pair<Enum, std::string_view>, N>;

template <class Enum, std::size_t N>
std::string_view word_of(Enum value, const Words<Enum, N>& words) {
  for (const auto& [known, text] : words) {
    if (known == value) return text;
  }
  assert(false && "an enumerator without a word");
  return {};
}

template <class Enum, std::size_t N>
std::optional<Enum> parse_word(std::string_view text, const Words<Enum, N>& words) {
  for (const auto& [known, spelled] : words) {
    if (spelled == text) return known;
  }
  return std::nullopt;
}

/// The reply of a function that answers one word of a closed set; `function` is named in the failure.
template <class Enum, std::size_t N>
Result<Enum> word_reply(Result<Reply> reply, std::string_view function, const Words<Enum, N>& words) {
  reply = ok(std::move(reply));
  if (!reply) return reply.error();
  if (const auto value = parse_word(reply->text(), words)) return *value;
  return failure(std::string(function) + ": unexpected reply");
}

/// Takes one word off the front of a text of words that are parted by one space; "" at the end.
inline std::string_view next_word(std::string_view& text) {
  const auto space = text.find(' ');
  const auto word = text.substr(0, space);
  text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  return word;
}

/// A decimal that may be negative.
inline std::optional<std::int64_t> parse_signed(std::string_view text) {
  const bool negative = text.starts_with('-');
  const auto number = parse_number(negative ? text.substr(1) : text);
  if (!number || (negative && *number == 0)) return std::nullopt;
  return negative ? -*number : *number;
}

/// Reads numbers and entry ids off a text of words; after a bad word `good` is false and the rest reads 0.
struct WordReader {
  std::string_view text;
  bool good = true;

  std::int64_t number() { return take(parse_signed(next_word(text))); }
  EntryId entry() { return take(parse_entry_id(next_word(text))); }

 private:
  template <class T>
  T take(std::optional<T> value) {
    good = good && value.has_value();
    return value.value_or(T{});
  }
};

/// `FCALL function numkeys keys… arguments…`. Redis asks for the right to write every key that it names, whatever the
/// function does with it: a function that only reads goes by fcall_ro.
inline std::vector<std::string> fcall(std::string_view function, const std::vector<std::string>& keys,
                                      std::vector<std::string> arguments = {}) {
  std::vector<std::string> argv;
  argv.reserve(3 + keys.size() + arguments.size());
  argv.emplace_back("FCALL");
  argv.emplace_back(function);
  argv.emplace_back(std::to_string(keys.size()));
  argv.insert(argv.end(), keys.begin(), keys.end());
  for (auto& argument : arguments) argv.push_back(std::move(argument));
  return argv;
}

/// The same as FCALL_RO, for the functions that lua/90_register.lua calls `no-writes`.
inline std::vector<std::string> fcall_ro(std::string_view function, const std::vector<std::string>& keys,
                                         std::vector<std::string> arguments = {}) {
  auto argv = fcall(function, keys, std::move(arguments));
  argv.front() = "FCALL_RO";
  return argv;
}

}  // namespace flashclaim::redis
