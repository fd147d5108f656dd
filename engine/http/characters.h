// Classes of bytes that the grammar of HTTP and of URIs is made of.
#pragma once

#include <array>
#include <string_view>

namespace flashclaim::http {

inline constexpr std::array<bool, 256> kTokenBytes = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = table[c + 32] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

/// RFC 9110, 5.6.2: the name of a header.
inline bool is_token(std::string_view text) {
  for (char c : text)
    if (!kTokenBytes[static_cast<unsigned char>(c)]) return false;
  return !text.empty();
}

/// No control byte but TAB: what may stand in the value of a header.
constexpr bool is_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

/// RFC 3986, 2.3: means the same with and without percent-encoding.
constexpr bool is_unreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

/// -1 when it is no hex digit.
constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace flashclaim::http
