// Formats cells, and builds the tables of refusals, durations and violations.
#include "bench/report.h"

#include <spdlog/fmt/fmt.h>

namespace flashclaim::bench {

using cli::Cell;

cli::Cell seconds_cell(std::int64_t us) { return Cell::decimal(static_cast<double>(us) / 1e6, 2); }

cli::Cell per_second_cell(std::int64_t events, std::int64_t us) {
  if (us <= 0) return Cell::number(0);
  return Cell::number(static_cast<std::int64_t>(static_cast<double>(events) * 1e6 / static_cast<double>(us) + 0.5));
}

cli::Table refusals_table(const Tally& tally) {
  cli::Table table{{"code", "claims"}, {}};
  for (int i = 0; i < http::kProblemCount; ++i) {
    auto problem = static_cast<http::Problem>(i);
    if (tally.of(problem) == 0) continue;
    table.rows.push_back({Cell::text(http::problem_code(problem)), Cell::number(tally.of(problem))});
  }
  return table;
}

cli::Table durations_table(std::initializer_list<std::pair<const char*, const Histogram*>> histograms) {
  cli::Table table{{"name", "count", "meanUs", "minUs", "p50Us", "p90Us", "p99Us", "p999Us", "maxUs"}, {}};
  for (const auto& [name, histogram] : histograms)
    table.rows.push_back({Cell::text(name), Cell::number(static_cast<std::int64_t>(histogram->count())),
                          Cell::number(static_cast<std::int64_t>(histogram->mean())), Cell::number(histogram->min()),
                          Cell::number(histogram->percentile(50)), Cell::number(histogram->percentile(90)),
                          Cell::number(histogram->percentile(99)), Cell::number(histogram->percentile(99.9)),
                          Cell::number(histogram->max())});
  return table;
}

cli::Table violations_table(const operations::CheckReport& check) {
  cli::Table table{{"invariant", "coupon", "count", "what"}, {}};
  for (const operations::Violation& violation : check.violations)
    table.rows.push_back({Cell::text(fmt::format("INV-{}", violation.invariant)),
                          violation.coupon_id == 0 ? Cell::none() : Cell::id(violation.coupon_id),
                          Cell::number(violation.count), Cell::text(violation.text)});
  return table;
}

}  // namespace flashclaim::bench
