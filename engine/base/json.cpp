// Quotes and escapes by whole characters of UTF-8, so that a broken one cannot swallow the closing quote.
#include "engine/base/json.h"

#include <algorithm>

#include "engine/base/text.h"

namespace flashclaim {

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    if (length == 0) {
      out += "\\ufffd";
    } else if (text[i] == '"' || text[i] == '\\') {
      out += '\\';
      out += text[i];
    } else if (commands_terminal(text, i, length)) {
      out += json_escape(text, i, length);
    } else {
      out += text.substr(i, length);
    }
    i += std::max<std::size_t>(1, length);
  }
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace flashclaim
