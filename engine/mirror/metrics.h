// The metrics of the mirror: names and meanings of its counters (METRICS.md has all of them).
#pragma once

#include "engine/base/metrics.h"
#include "engine/mirror/mirror.h"

namespace flashclaim::mirror {

/// Any thread.
void write_metrics(MetricsWriter& out, const MirrorStats& stats);

}  // namespace flashclaim::mirror
