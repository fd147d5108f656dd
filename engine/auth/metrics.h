// The metrics of the auth filter: names and meanings of its counters (METRICS.md has all of them).
#pragma once

#include "engine/auth/auth_filter.h"
#include "engine/base/metrics.h"

namespace flashclaim::auth {

/// Any thread. `threads`: the counters of each.
void write_metrics(MetricsWriter& out, PerThread<AuthCounters> threads);

}  // namespace flashclaim::auth
