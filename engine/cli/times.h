// Parses times as an operator writes them: RFC 3339, `now`, `+1h`.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace flashclaim::cli {

/// `2026-11-24T09:00:00Z`, with optional fraction and any offset (`+08:00`): milliseconds since 1970. Strict: a date
/// that does not exist, a missing offset, a leap second or a year before 2001 is nullopt (a smaller number may be a
/// time in seconds, and Redis refuses it).
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

/// `+90s`, `+30m`, `+1h`, `+7d`: milliseconds, above 0 and at most 10 years.
std::optional<std::int64_t> parse_duration(std::string_view text);

/// `now` or RFC 3339.
std::optional<std::int64_t> parse_begin(std::string_view text, std::int64_t now_ms);

/// RFC 3339, or a duration counted from `begin_ms`.
std::optional<std::int64_t> parse_end(std::string_view text, std::int64_t begin_ms);

/// This host's clock. A coupon's window is judged by Redis' clock.
std::int64_t now_ms();

}  // namespace flashclaim::cli
