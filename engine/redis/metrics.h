// The metrics of the asynchronous Redis client: names and meanings of its counters (METRICS.md has all of them).
#pragma once

#include "engine/base/metrics.h"
#include "engine/redis/async.h"

namespace flashclaim::redis {

/// Any thread. `threads`: the counters of each.
void write_metrics(MetricsWriter& out, PerThread<AsyncCounters> threads);

}  // namespace flashclaim::redis
