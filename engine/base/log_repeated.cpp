// Keeps one entry per kind of error under a mutex, and writes what was held back when its second is over.
#include "engine/base/log_repeated.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace flashclaim {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kEvery{1};

/// What one room says of one event.
struct Kind {
  Clock::time_point last_line{};
  LogLevel level = LogLevel::kError;
  std::int64_t held_back = 0;
  std::vector<Field> fields;  ///< of the first that was held back
};

struct Kinds {
  std::mutex mutex;
  std::map<std::pair<std::string, std::string>, Kind> all;
};
Kinds& kinds() {
  static Kinds instance;
  return instance;
}

void write_held_back(const std::pair<std::string, std::string>& name, Kind& kind, Clock::time_point now) {
  kind.last_line = now;
  kind.fields.emplace_back("times", std::exchange(kind.held_back, 0));
  log_fields(kind.level, name.first, name.second, kind.fields);
  kind.fields.clear();
}

}  // namespace

void log_repeated(LogLevel level, std::string_view room, std::string_view event, std::initializer_list<Field> fields) {
  const auto now = Clock::now();
  Kinds& known = kinds();
  const std::lock_guard lock(known.mutex);
  const std::pair<std::string, std::string> name{room, event};
  Kind& kind = known.all[name];
  kind.level = level;
  if (kind.held_back++ == 0) kind.fields.assign(fields.begin(), fields.end());
  if (now - kind.last_line < kEvery) return;
  if (kind.held_back > 1) return write_held_back(name, kind, now);
  kind.last_line = now;
  kind.held_back = 0;
  log(level, room, event, fields);
}

void flush_repeated(bool all) {
  const auto now = Clock::now();
  Kinds& known = kinds();
  const std::lock_guard lock(known.mutex);
  for (auto& [name, kind] : known.all)
    if (kind.held_back > 0 && (all || now - kind.last_line >= kEvery)) write_held_back(name, kind, now);
}

}  // namespace flashclaim
