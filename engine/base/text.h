// Text from outside: what of it a person may be shown, and files that an editor has put a mark in front of.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace flashclaim {

/// The length of the valid UTF-8 sequence at `at`, 0 when there is none.
std::size_t utf8_length(std::string_view text, std::size_t at);

/// Whether a terminal would obey the character at `at` (of `length` bytes, as utf8_length has it) and not show it:
/// controls, and those that turn the direction of the text around them, break its line or cannot be seen (U+202E,
/// U+2028, U+200B ...). Not U+200E and U+200F: they do what any Latin or Hebrew letter does, and names need them.
bool commands_terminal(std::string_view text, std::size_t at, std::size_t length);

/// The text as a table or a message may show it: `?` for what commands a terminal and for what is no UTF-8.
/// `kept`: a control character that stays ('\n' in text of several lines); 0: none does.
std::string shown(std::string_view text, char kept = '\0');

/// `\u202e`: the character at `at`, of `length` bytes and below U+10000, as JSON may have it.
std::string json_escape(std::string_view text, std::size_t at, std::size_t length);

/// Refuses a text that begins with a byte order mark, with the way out. Every text file that we read passes here.
Result<void> refuse_byte_order_mark(std::string_view text);
/// The same for a file that a library reads; the error names it. A file that cannot be read is that library's error.
Result<void> refuse_byte_order_mark_of(const std::string& path);

}  // namespace flashclaim
