// The metrics of the claim handler: names and meanings of its counters (METRICS.md has all of them).
#pragma once

#include "engine/base/metrics.h"
#include "engine/claim/counters.h"

namespace flashclaim::claim {

/// Any thread. `threads`: the counters of each.
void write_metrics(MetricsWriter& out, PerThread<ClaimCounters> threads);

}  // namespace flashclaim::claim
