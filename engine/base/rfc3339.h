// Times as people read them: RFC 3339 in UTC.
#pragma once

#include <cstdint>
#include <string>

namespace flashclaim {

/// Milliseconds since 1970 as `2026-11-24T09:00:00.000Z`; the bare number where the calendar has no such year.
std::string rfc3339(std::int64_t ms);

}  // namespace flashclaim
