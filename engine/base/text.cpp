// Decodes UTF-8 strictly, and escapes whatever could command a terminal.
#include "engine/base/text.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <fstream>

namespace flashclaim {
namespace {

unsigned byte(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }

unsigned code_point(std::string_view text, std::size_t at, std::size_t length) {
  unsigned value = length == 1 ? byte(text, at) : byte(text, at) & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) value = value << 6 | (byte(text, at + i) & 0x3FU);
  return value;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
  const unsigned lead = byte(text, at);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF5 ? 0 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(text, at + i) & 0xC0) != 0x80) return 0;
  }
  const unsigned second = byte(text, at + 1);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool surrogate = lead == 0xED && second >= 0xA0;
  const bool beyond = lead == 0xF4 && second >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

bool commands_terminal(std::string_view text, std::size_t at, std::size_t length) {
  const unsigned c = code_point(text, at, length);
  const auto within = [c](unsigned first, unsigned last) { return c >= first && c <= last; };
  return c < 0x20 || within(0x7F, 0x9F) || c == 0x200B || within(0x2028, 0x202E) || within(0x2060, 0x206F) ||
         c == 0xFEFF || within(0xFFF9, 0xFFFB);
}

std::string shown(std::string_view text, char kept) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    const bool keep = kept != '\0' && text[i] == kept;
    if (!keep && (length == 0 || commands_terminal(text, i, length))) {
      out += '?';
    } else {
      out += text.substr(i, length);
    }
    i += std::max<std::size_t>(1, length);
  }
  return out;
}

std::string json_escape(std::string_view text, std::size_t at, std::size_t length) {
  return fmt::format("\\u{:04x}", code_point(text, at, length));
}

Result<void> refuse_byte_order_mark(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF"))
    return failure("begins with a byte order mark (EF BB BF): save it as UTF-8 without one");
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    return failure("is UTF-16 (it begins with a byte order mark): save it as UTF-8 without one");
  return {};
}

Result<void> refuse_byte_order_mark_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char begin[3];
  file.read(begin, sizeof begin);
  auto fine = refuse_byte_order_mark({begin, static_cast<std::size_t>(file.gcount())});
  if (!fine) return failure(path + " " + fine.error().message);
  return {};
}

}  // namespace flashclaim
