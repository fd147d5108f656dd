// Parses and checks the options of a coupon one by one.
#include "engine/cli/coupon_values.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "engine/base/ids.h"
#include "engine/base/rfc3339.h"
#include "engine/cli/times.h"

namespace flashclaim::cli {
namespace {

/// The number of characters in UTF-8 text: counts the bytes that are no continuation bytes.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

void Values::wrong(std::string message) {
  if (!wrong_) wrong_ = usage(std::move(message));
}

std::optional<std::int64_t> Values::number(std::string_view name, std::int64_t least, std::int64_t most) {
  const auto text = arguments_.text(name);
  if (!text) return std::nullopt;
  const auto value = parse_number(*text);
  if (value && *value >= least && *value <= most) return value;
  wrong(fmt::format("--{} is a whole number from {} to {}, not '{}'", name, least, most, *text));
  return std::nullopt;
}

std::optional<TotalArgument> Values::total_change() {
  const auto text = arguments_.text("total");
  if (!text) return std::nullopt;
  const bool relative = text->starts_with("+") || text->starts_with("-");
  const auto units = parse_number(std::string_view(*text).substr(relative ? 1 : 0));
  if (units && *units >= 1 && *units <= kTotalMax) {
    return TotalArgument{text->starts_with("-") ? -*units : *units, relative};
  }
  wrong(fmt::format("--total is a whole number from 1 to {}, or what is added to the total: +500, -500; not '{}'",
                    kTotalMax, *text));
  return std::nullopt;
}

std::optional<std::string> Values::name() {
  auto text = arguments_.text("name");
  if (!text) return std::nullopt;
  if (Cell::text(*text).plain() != *text) {
    wrong("--name holds control characters, or is no UTF-8");
  } else if (text->empty() || characters(*text) > kNameCharactersMax) {
    wrong(fmt::format("--name is 1 to {} characters, not {}", kNameCharactersMax, characters(*text)));
  }
  return text;
}

std::optional<std::int64_t> Values::time(std::string_view name, std::optional<std::int64_t> value,
                                         const std::string& expected) {
  const auto text = arguments_.text(name).value_or("");
  if (!value) {
    wrong(fmt::format("--{} is {}, not '{}'", name, expected, text));
  } else if (*value >= kTimeMaxMs) {
    wrong(fmt::format("--{} is before the year 5138, not '{}'", name, text));
  }
  return value;
}

std::optional<std::int64_t> Values::begin(std::int64_t now_ms) {
  const auto text = arguments_.text("begin");
  if (!text) return std::nullopt;
  const auto value = *text == "now" ? std::optional(now_ms) : parse_end(*text, now_ms);
  return time("begin", value, "RFC 3339 (2026-11-24T20:00:00+08:00), now, or a time from now such as +2m (s, m, h, d)");
}

std::optional<std::int64_t> Values::end(std::int64_t from_ms, std::string_view from) {
  const auto text = arguments_.text("end");
  if (!text) return std::nullopt;
  return time("end", parse_end(*text, from_ms),
              fmt::format("RFC 3339 (2026-11-24T20:00:00+08:00) or a time from {} such as +1h (s, m, h, d)", from));
}

std::string window_problem(std::int64_t begin_ms, std::int64_t end_ms, std::int64_t now_ms) {
  if (end_ms <= begin_ms) {
    return fmt::format("the end ({}) must be after the begin ({})", rfc3339(end_ms), rfc3339(begin_ms));
  }
  if (end_ms <= now_ms) return fmt::format("the window would be over already: it ends at {}", rfc3339(end_ms));
  return "";
}

}  // namespace flashclaim::cli
