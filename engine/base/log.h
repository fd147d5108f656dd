// Logging in logfmt: one line where a decision is made, fixed keys, nothing per request on the claim path.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace flashclaim {

/// warn = degraded and healing itself; error = a person must act.
enum class LogLevel { kDebug, kInfo, kWarn, kError };

/// Sets up the process' logger on stderr; call once, first thing in main. Level from FLASHCLAIM_LOG (debug, info, warn,
/// error; default info, also for a word that is none of these: a warning says so); `json` writes one JSON object a line
/// instead of logfmt. Any thread may log.
void start_logging(std::string_view program, bool json = false);

/// As the logger writes numbers: all digits, a double as short as it can be read back.
std::string number_text(std::int64_t number);
std::string number_text(std::uint64_t number);
std::string number_text(double number);

/// A field's value is escaped by the logger: text from outside cannot forge a line. Kept free of <fmt>, which every
/// file that logs would have to read.
struct Field {
  std::string_view key;
  std::string value;
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  Field(std::string_view k, double v) : key(k), value(number_text(v)) {}
  template <std::signed_integral T>
  Field(std::string_view k, T v) : key(k), value(number_text(std::int64_t{v})) {}
  template <std::unsigned_integral T>
  Field(std::string_view k, T v) : key(k), value(number_text(std::uint64_t{v})) {}
};

/// log(kWarn, "mirror", "broker_lost", {{"error", e}, {"retry_ms", 500}}) ->
/// `ts=… level=warn program=… room=mirror event=broker_lost error="…" retry_ms=500`
void log(LogLevel level, std::string_view room, std::string_view event, std::initializer_list<Field> fields = {});

}  // namespace flashclaim
