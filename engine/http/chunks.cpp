// Decodes the chunks in place; every deviation from the grammar is an error.
#include "engine/http/chunks.h"

#include <algorithm>

#include "engine/http/characters.h"

namespace flashclaim::http {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// Reads forward over `rest`; the first thing that is wrong, or not here yet, stays in `outcome`.
class Cursor {
 public:
  explicit Cursor(std::string_view rest) : rest_(rest) {}

  /// kRequest as long as all is well.
  [[nodiscard]] ParseOutcome outcome() const { return outcome_; }
  [[nodiscard]] std::size_t at() const { return at_; }

  /// A chunk's size with its extensions and their CRLF.
  std::size_t size_line() {
    std::size_t size = 0;
    std::size_t digits = 0;
    for (; here() && hex_value(rest_[at_]) >= 0; ++at_, ++digits) {
      if (digits == 8) return fail(ParseOutcome::kMalformed);
      size = size * 16 + static_cast<std::size_t>(hex_value(rest_[at_]));
    }
    if (here() && digits == 0) return fail(ParseOutcome::kMalformed);
    const std::size_t begin = at_;
    while (here() && is_blank(rest_[at_])) ++at_;
    if (here() && rest_[at_] != ';' && (rest_[at_] != '\r' || at_ != begin)) return fail(ParseOutcome::kMalformed);
    while (here() && is_text(rest_[at_])) ++at_;
    if (extras(at_ - begin)) line_end();
    return size;
  }

  std::string_view data(std::size_t size) {
    const std::string_view bytes = rest_.substr(std::min(at_, rest_.size()), size);
    at_ += bytes.size();
    if (bytes.size() < size) fail(ParseOutcome::kIncomplete);
    line_end();
    return bytes;
  }

  /// Lines as those of a head, up to the empty one.
  void trailers() {
    while (outcome_ == ParseOutcome::kRequest && here() && rest_[at_] != '\r') {
      const std::size_t begin = at_;
      while (here() && is_text(rest_[at_])) ++at_;
      const std::string_view line = rest_.substr(begin, at_ - begin);
      if (!extras(line.size() + 2)) return;
      if (!here()) break;
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
        fail(ParseOutcome::kMalformed);
        return;
      }
      line_end();
    }
    line_end();
  }

 private:
  [[nodiscard]] bool here() const { return at_ < rest_.size(); }
  std::size_t fail(ParseOutcome why) {
    if (outcome_ == ParseOutcome::kRequest) outcome_ = why;
    return 0;
  }
  bool extras(std::size_t bytes) {
    extras_ += bytes;
    if (extras_ > kChunkExtrasMax) fail(ParseOutcome::kBodyTooLarge);
    return outcome_ == ParseOutcome::kRequest;
  }
  void line_end() {
    for (const char c : {'\r', '\n'}) {
      if (outcome_ != ParseOutcome::kRequest) return;
      if (!here()) {
        fail(ParseOutcome::kIncomplete);
      } else if (rest_[at_++] != c) {
        fail(ParseOutcome::kMalformed);
      }
    }
  }

  std::string_view rest_;
  std::size_t at_ = 0;
  std::size_t extras_ = 0;
  ParseOutcome outcome_ = ParseOutcome::kRequest;
};

}  // namespace

ParseOutcome decode_chunks(std::string_view rest, std::size_t body_bytes_max, std::string& body, std::size_t& used) {
  body.clear();
  Cursor cursor(rest);
  while (cursor.outcome() == ParseOutcome::kRequest) {
    const std::size_t size = cursor.size_line();
    if (cursor.outcome() != ParseOutcome::kRequest) break;
    if (body.size() + size > body_bytes_max) return ParseOutcome::kBodyTooLarge;
    if (size == 0) {
      cursor.trailers();
      used = cursor.at();
      break;
    }
    body.append(cursor.data(size));
  }
  return cursor.outcome();
}

}  // namespace flashclaim::http
