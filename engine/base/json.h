// Writing JSON: the one place that quotes and escapes. simdjson reads it, in the rooms that do.
#pragma once

#include <string>
#include <string_view>

namespace flashclaim {

/// Appends `text` as a JSON string literal (RFC 8259 section 7), quotes included. What a terminal would obey is
/// escaped (text.h: commands_terminal), and a byte that is no UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// The same as a text of its own.
std::string json_string(std::string_view text);

}  // namespace flashclaim
