// What flashbench's reports have in common: cells and tables for tallies, durations and violations.
#pragma once

#include <cstdint>

#include "bench/claim_http.h"
#include "bench/histogram.h"
#include "engine/cli/output.h"
#include "engine/operations/checker.h"

namespace flashclaim::bench {

/// Microseconds as seconds with two decimals; a JSON number.
cli::Cell seconds_cell(std::int64_t us);
/// Events per second over that time, rounded; 0 when there was no time.
cli::Cell per_second_cell(std::int64_t events, std::int64_t us);

/// The refusals by code, those that occurred.
cli::Table refusals_table(const Tally& tally);
/// One row of percentiles for each histogram, in microseconds.
cli::Table durations_table(std::initializer_list<std::pair<const char*, const Histogram*>> histograms);
cli::Table violations_table(const operations::CheckReport& check);

}  // namespace flashclaim::bench
