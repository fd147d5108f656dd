// Writing JSON strings.
#pragma once

#include <string>
#include <string_view>

namespace flashclaim::http {

/// Appends `text` quoted and escaped. Bytes beyond ASCII pass as they are: the text is UTF-8.
void append_json_text(std::string& out, std::string_view text);

}  // namespace flashclaim::http
