// Reads dates and durations digit by digit, strictly.
#include "engine/cli/times.h"

#include <chrono>

#include "engine/base/ids.h"

namespace flashclaim::cli {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kDurationMaxMs = 3653 * kDayMs;

/// Reads numbers and separators from the front of a text; after the first mismatch every later read fails.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  int digits(std::size_t count) {
    int value = 0;
    if (text_.size() < count) ok_ = false;
    for (std::size_t i = 0; ok_ && i < count; ++i) {
      const char c = text_[i];
      if (c < '0' || c > '9') ok_ = false;
      value = value * 10 + (c - '0');
    }
    if (ok_) text_.remove_prefix(count);
    return ok_ ? value : 0;
  }
  bool next_is(std::string_view any_of) const { return ok_ && !text_.empty() && any_of.find(text_[0]) != any_of.npos; }
  char mark(std::string_view any_of) {
    if (!next_is(any_of)) {
      ok_ = false;
      return '\0';
    }
    const char c = text_[0];
    text_.remove_prefix(1);
    return c;
  }
  [[nodiscard]] bool done() const { return ok_ && text_.empty(); }

 private:
  std::string_view text_;
  bool ok_ = true;
};

/// `.123456` as milliseconds; finer digits are cut off.
int fraction_ms(Reader& reader) {
  int ms = 0;
  if (!reader.next_is(".")) return 0;
  reader.mark(".");
  int scale = 100;
  do {
    ms += reader.digits(1) * scale;
    scale /= 10;
  } while (reader.next_is("0123456789"));
  return ms;
}

}  // namespace

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  Reader reader(text);
  const int year = reader.digits(4);
  reader.mark("-");
  const int month = reader.digits(2);
  reader.mark("-");
  const int day = reader.digits(2);
  reader.mark("Tt ");
  const int hour = reader.digits(2);
  reader.mark(":");
  const int minute = reader.digits(2);
  reader.mark(":");
  const int second = reader.digits(2);
  const int ms = fraction_ms(reader);
  int offset_minutes = 0;
  const char zone = reader.mark("Zz+-");
  if (zone == '+' || zone == '-') {
    const int offset_hour = reader.digits(2);
    reader.mark(":");
    const int offset_minute = reader.digits(2);
    if (offset_hour > 23 || offset_minute > 59) return std::nullopt;
    offset_minutes = (offset_hour * 60 + offset_minute) * (zone == '+' ? 1 : -1);
  }
  if (!reader.done() || hour > 23 || minute > 59 || second > 59 || year < 2001) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * kDayMs + ((hour * 60 + minute - offset_minutes) * 60 + second) * std::int64_t{1000} + ms;
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  if (text.size() < 3 || text.front() != '+') return std::nullopt;
  const auto amount = parse_number(text.substr(1, text.size() - 2), kDurationMaxMs);
  if (!amount || *amount == 0) return std::nullopt;
  std::int64_t unit = 0;
  switch (text.back()) {
    case 's':
      unit = 1000;
      break;
    case 'm':
      unit = 60'000;
      break;
    case 'h':
      unit = 3'600'000;
      break;
    case 'd':
      unit = kDayMs;
      break;
    default:
      return std::nullopt;
  }
  if (*amount > kDurationMaxMs / unit) return std::nullopt;
  return *amount * unit;
}

std::optional<std::int64_t> parse_begin(std::string_view text, std::int64_t now_ms) {
  if (text == "now") return now_ms;
  return parse_rfc3339(text);
}

std::optional<std::int64_t> parse_end(std::string_view text, std::int64_t begin_ms) {
  if (const auto duration = parse_duration(text)) return begin_ms + *duration;
  return parse_rfc3339(text);
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace flashclaim::cli
