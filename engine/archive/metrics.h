// The metrics of the archive: names and meanings of its counters (METRICS.md has all of them).
#pragma once

#include "engine/archive/pool.h"
#include "engine/base/metrics.h"

namespace flashclaim::archive {

/// Any thread.
void write_metrics(MetricsWriter& out, const PoolCounters& pool);

}  // namespace flashclaim::archive
