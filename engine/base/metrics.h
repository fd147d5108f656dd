// What a room writes its metrics to: it knows names and values, the program knows the format of the export.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/counter.h"

namespace flashclaim {

enum class MetricKind { kCounter, kGauge, kHistogram };
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// Families come one after the other; a value belongs to the family before it. One thread.
class MetricsWriter {
 public:
  virtual ~MetricsWriter() = default;
  virtual void family(std::string_view name, std::string_view help, MetricKind kind) = 0;
  virtual void value(double value, MetricLabels labels = {}) = 0;
  /// The last family's one histogram. `counts`: how many values fell into each bucket, not cumulated; bucket i ends at
  /// unit * 2^i, the last one has no end. `sum`: of all values, in the family's unit.
  virtual void powers_histogram(std::span<const std::uint64_t> counts, double unit, double sum) = 0;

  void counter(std::string_view name, std::string_view help, double total) {
    family(name, help, MetricKind::kCounter);
    value(total);
  }
  void gauge(std::string_view name, std::string_view help, double now) {
    family(name, help, MetricKind::kGauge);
    value(now);
  }
};

/// The counters of all threads, of which each has its own.
template <class Counters>
using PerThread = std::span<const Counters* const>;

/// `get(counters)` summed over the threads.
template <class Counters, class Get>
double sum_of(PerThread<Counters> threads, Get get) {
  double sum = 0;
  for (const Counters* counters : threads) sum += static_cast<double>(get(*counters));
  return sum;
}

/// The histograms `member` of all threads as one; `unit` scales values to the family's unit.
template <class Counters, std::size_t kBuckets>
void write_histogram(MetricsWriter& out, std::string_view name, std::string_view help, PerThread<Counters> threads,
                     double unit, PowersHistogram<kBuckets> Counters::*member) {
  std::array<std::uint64_t, kBuckets> counts{};
  double sum = 0;
  for (const Counters* counters : threads) {
    const PowersHistogram<kBuckets>& histogram = counters->*member;
    for (std::size_t i = 0; i < kBuckets; ++i) counts[i] += histogram.buckets[i].value();
    sum += unit * static_cast<double>(histogram.sum.value());
  }
  out.family(name, help, MetricKind::kHistogram);
  out.powers_histogram(counts, unit, sum);
}

}  // namespace flashclaim
