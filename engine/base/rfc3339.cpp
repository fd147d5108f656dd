// The calendar is the C library's.
#include "engine/base/rfc3339.h"

#include <spdlog/fmt/fmt.h>

#include <ctime>

namespace flashclaim {

std::string rfc3339(std::int64_t ms) {
  const std::int64_t rest = ((ms % 1000) + 1000) % 1000;
  const std::time_t seconds = (ms - rest) / 1000;
  std::tm utc{};
  if (gmtime_r(&seconds, &utc) == nullptr) return std::to_string(ms);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, rest);
}

}  // namespace flashclaim
