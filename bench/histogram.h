// A histogram of durations in the manner of HdrHistogram: constant memory, any percentile within 0.1 % of the exact
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace flashclaim::bench {

/// Values below 2,048 are kept exactly; above, 1,024 buckets per power of two. No thread safety: one per thread, merged
/// at the end.
class Histogram {
 public:
  /// Values above `highest` are recorded as `highest` and counted in clamped(). The default is an hour in microseconds.
  explicit Histogram(std::int64_t highest = 3'600'000'000);

  /// Negative values count as 0.
  void record(std::int64_t value, std::uint64_t times = 1);
  /// Precondition: the same `highest`.
  void merge(const Histogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t clamped() const { return clamped_; }
  /// 0 when nothing was recorded; so with the others.
  [[nodiscard]] std::int64_t min() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::int64_t max() const { return max_; }
  [[nodiscard]] double mean() const;
  /// The nearest-rank percentile, `percent` in (0, 100]: never below the exact one, at most 1/1024 above it.
  [[nodiscard]] std::int64_t percentile(double percent) const;

 private:
  std::int64_t highest_;
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::uint64_t clamped_ = 0;
  std::int64_t min_ = 0;
  std::int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace flashclaim::bench
