// A bucket above the exact range is named by the value's top eleven bits and how far they were
// shifted.
#include "bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

namespace flashclaim::bench {
namespace {

constexpr int kTopBits = 11;
constexpr std::size_t kExact = std::size_t{1} << kTopBits;
constexpr std::size_t kHalf = kExact / 2;  // the top bits of a shifted value begin with a one

std::size_t bucket_of(std::int64_t value) {
  auto bits = static_cast<std::uint64_t>(value);
  if (bits < kExact) return bits;
  int shift = std::bit_width(bits) - kTopBits;
  return kExact + static_cast<std::size_t>(shift - 1) * kHalf + ((bits >> shift) - kHalf);
}

/// The highest value that falls into the bucket.
std::int64_t highest_in(std::size_t bucket) {
  if (bucket < kExact) return static_cast<std::int64_t>(bucket);
  std::size_t shift = (bucket - kExact) / kHalf + 1;
  std::uint64_t top = (bucket - kExact) % kHalf + kHalf;
  return static_cast<std::int64_t>(((top + 1) << shift) - 1);
}

}  // namespace

Histogram::Histogram(std::int64_t highest) : highest_(highest), buckets_(bucket_of(highest) + 1) {}

void Histogram::record(std::int64_t value, std::uint64_t times) {
  if (times == 0) return;
  if (value > highest_) clamped_ += times;
  value = std::clamp<std::int64_t>(value, 0, highest_);
  buckets_[bucket_of(value)] += times;
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  count_ += times;
  sum_ += static_cast<double>(value) * static_cast<double>(times);
}

void Histogram::merge(const Histogram& other) {
  assert(highest_ == other.highest_);
  if (other.count_ == 0) return;
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  count_ += other.count_;
  clamped_ += other.clamped_;
  sum_ += other.sum_;
}

double Histogram::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

std::int64_t Histogram::percentile(double percent) const {
  if (count_ == 0) return 0;
  double exact_rank = percent / 100 * static_cast<double>(count_);
  // 99.9 / 100 * 1000 must be rank 999 although the product is a hair above it.
  auto rank = static_cast<std::uint64_t>(std::ceil(exact_rank - exact_rank * 1e-12));
  rank = std::clamp<std::uint64_t>(rank, 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::clamp(highest_in(i), min_, max_);
  }
  return max_;
}

}  // namespace flashclaim::bench
