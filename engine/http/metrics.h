// The metrics of the HTTP server: names and meanings of its counters (METRICS.md has all of them).
#pragma once

#include "engine/base/metrics.h"
#include "engine/http/server.h"

namespace flashclaim::http {

/// Any thread. `threads`: the counters of each.
void write_metrics(MetricsWriter& out, PerThread<ServerCounters> threads);

}  // namespace flashclaim::http
