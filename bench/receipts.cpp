// Parses each line of the CSV file; the first bad one ends it, with its number.
#include "bench/receipts.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "engine/base/ids.h"
#include "engine/base/text.h"
#include "engine/base/try.h"

namespace flashclaim::bench {
namespace {

constexpr std::string_view kHeader = "user_id,coupon_id,date_received";
constexpr std::size_t kQuotedMax = 60;

/// The text as an error may show it, bounded.
std::string quoted(std::string_view text) {
  return "'" + shown(text.substr(0, kQuotedMax)) + (text.size() > kQuotedMax ? "…'" : "'");
}

Error at_line(std::size_t line, std::string_view what) { return failure(fmt::format("line {}: {}", line, what)); }

std::optional<int> parse_date(std::string_view text) {
  auto number = parse_number(text, 99'991'231);
  if (!number || text.size() != 8) return std::nullopt;
  auto value = static_cast<int>(*number);
  std::chrono::year_month_day day{std::chrono::year{value / 10'000},
                                  std::chrono::month{static_cast<unsigned>(value / 100 % 100)},
                                  std::chrono::day{static_cast<unsigned>(value % 100)}};
  if (!day.ok()) return std::nullopt;
  return value;
}

Result<Receipt> parse_line(std::string_view line, std::size_t number) {
  if (line.empty()) return at_line(number, "empty");
  if (line.back() == '\r') return at_line(number, "ends with a carriage return: lines end with LF only");
  std::array<std::string_view, 3> fields;
  std::size_t count = 0;
  for (std::size_t begin = 0; begin <= line.size(); ++count) {
    std::size_t end = std::min(line.find(',', begin), line.size());
    if (count < fields.size()) fields[count] = line.substr(begin, end - begin);
    begin = end + 1;
  }
  if (count != fields.size()) return at_line(number, fmt::format("{} fields instead of 3 in {}", count, quoted(line)));
  auto user = parse_id(fields[0]);
  if (!user) return at_line(number, fmt::format("user_id {} is not an id (1 to 2^63-1)", quoted(fields[0])));
  auto coupon = parse_id(fields[1]);
  if (!coupon) return at_line(number, fmt::format("coupon_id {} is not an id (1 to 2^63-1)", quoted(fields[1])));
  auto date = parse_date(fields[2]);
  if (!date) return at_line(number, fmt::format("date_received {} is not a day as YYYYMMDD", quoted(fields[2])));
  return Receipt{*user, *coupon, *date};
}

}  // namespace

Result<std::vector<Receipt>> parse_receipts(std::string_view text) {
  TRY(refuse_byte_order_mark(text));
  std::vector<Receipt> receipts;
  std::size_t number = 0;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (++number == 1) {
      if (line != kHeader) return at_line(1, fmt::format("{} instead of the header '{}'", quoted(line), kHeader));
      continue;
    }
    auto receipt = TRY(parse_line(line, number));
    receipts.push_back(receipt);
  }
  if (number == 0) return failure(fmt::format("empty: the first line must be '{}'", kHeader));
  if (receipts.empty()) return failure("no receipt below the header");
  return receipts;
}

Result<std::vector<Receipt>> read_receipts(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return failure(fmt::format("{}: {}", path, std::strerror(errno)));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return failure(fmt::format("{}: cannot be read", path));
  auto receipts = parse_receipts(text);
  if (!receipts) return failure(fmt::format("{}: {}", path, receipts.error().message));
  return receipts;
}

}  // namespace flashclaim::bench
