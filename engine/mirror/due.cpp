// See due.h.
#include "engine/mirror/due.h"

#include <algorithm>

namespace flashclaim::mirror {

std::vector<Span> due_births(const Schedule& schedule, std::int64_t since, std::int64_t now) {
  if (since >= now) return {};
  if (since < 0) return {{0, now - schedule.first_ms}};
  std::vector<Span> spans;
  std::int64_t age = schedule.first_ms;
  for (; age <= schedule.gap_max_ms; age *= 2) spans.push_back({since - age + 1, now - age});
  // Beyond the doubling all are due together, whenever a multiple of gap_max passes.
  if (since / schedule.gap_max_ms != now / schedule.gap_max_ms) spans.push_back({0, now - age});
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.from < b.from; });
  std::vector<Span> merged;
  for (Span span : spans) {
    span.from = std::max<std::int64_t>(span.from, 0);
    if (span.to < span.from) continue;
    if (!merged.empty() && span.from <= merged.back().to + 1) {
      merged.back().to = std::max(merged.back().to, span.to);
    } else {
      merged.push_back(span);
    }
  }
  return merged;
}

}  // namespace flashclaim::mirror
