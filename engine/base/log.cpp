// spdlog underneath (synchronous, stderr); the line itself is formatted here because spdlog does not escape.
#include "engine/base/log.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <ctime>

#include "engine/base/environment.h"
#include "engine/base/json.h"
#include "engine/base/log_repeated.h"
#include "engine/base/rfc3339.h"

namespace flashclaim {
namespace {

struct Style {
  std::string program = "flashclaim";
  bool json = false;
};
Style& style() {
  static Style instance;
  return instance;
}

bool plain(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text)
    if (!std::isalnum(static_cast<unsigned char>(c)) && std::string_view("-_.:/+@,%").find(c) == std::string_view::npos)
      return false;
  return true;
}

void append(std::string& out, std::string_view key, std::string_view value) {
  if (style().json) {
    out += out.empty() ? "{" : ",";
    append_json_string(out, key);
    out += ':';
    append_json_string(out, value);
    return;
  }
  if (!out.empty()) out += ' ';
  out += key;
  out += '=';
  if (plain(value)) {
    out += value;
  } else {
    append_json_string(out, value);
  }
}

std::string now_text() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return rfc3339(std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000);
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

constexpr std::string_view kLevelNames[] = {"debug", "info", "warn", "error"};

}  // namespace

std::string number_text(std::int64_t number) { return std::to_string(number); }
std::string number_text(std::uint64_t number) { return std::to_string(number); }
std::string number_text(double number) { return fmt::format("{}", number); }

void start_logging(std::string_view program, bool json) {
  style() = {std::string(program), json};
  auto logger = spdlog::stderr_logger_mt("flashclaim");
  logger->set_pattern("%v");
  logger->flush_on(spdlog::level::info);
  const std::string wanted = env("FLASHCLAIM_LOG");
  const auto named = spdlog::level::from_str(wanted);  // off: also what it does not know
  const bool known = named != spdlog::level::off || wanted == "off";
  logger->set_level(known ? named : spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  if (!known && !wanted.empty())
    log(LogLevel::kWarn, "log", "unknown_level", {{"FLASHCLAIM_LOG", wanted}, {"one_of", "debug info warn error"}});
}

void log(LogLevel level, std::string_view room, std::string_view event, std::initializer_list<Field> fields) {
  log_fields(level, room, event, {fields.begin(), fields.size()});
}

void log_fields(LogLevel level, std::string_view room, std::string_view event, std::span<const Field> fields) {
  auto wanted = spdlog_level(level);
  if (!spdlog::default_logger_raw()->should_log(wanted)) return;
  std::string line;
  append(line, "ts", now_text());
  append(line, "level", kLevelNames[static_cast<int>(level)]);
  append(line, "program", style().program);
  append(line, "room", room);
  append(line, "event", event);
  for (const Field& field : fields) append(line, field.key, field.value);
  if (style().json) line += '}';
  spdlog::default_logger_raw()->log(wanted, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace flashclaim
