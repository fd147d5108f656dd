// When an old unfinished entry is published again: at a first age, then at twice the age, and so on.
#pragma once

#include <cstdint>
#include <vector>

namespace flashclaim::mirror {

/// Milliseconds, both ends included.
struct Span {
  std::int64_t from = 0;
  std::int64_t to = 0;
  bool operator==(const Span&) const = default;
};

struct Schedule {
  std::int64_t first_ms = 60000;      ///< the age at which an entry is due for the first time
  std::int64_t gap_max_ms = 3600000;  ///< ages double until the next gap would exceed this; then all the older are due
                                      ///< once in every gap_max
};

/// The births (entry ms) of the entries that became due after `since` and up to `now`, as spans in order, apart from
/// each other. No memory of single entries is needed: any mirror, restarted or not, comes to the same answer. since <
/// 0: never looked before, so everything of the first age or older is due.
std::vector<Span> due_births(const Schedule& schedule, std::int64_t since, std::int64_t now);

}  // namespace flashclaim::mirror
