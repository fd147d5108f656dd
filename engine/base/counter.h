// Counters with one writer: plain stores, no locked instruction. Any thread may read them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace flashclaim {

/// Adds to an atomic that only the calling thread writes.
template <class Number>
void count(std::atomic<Number>& counter, std::type_identity_t<Number> by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

class Counter {
 public:
  void add(std::uint64_t by = 1) { count(value_, by); }
  void sub(std::uint64_t by) { count(value_, std::uint64_t{0} - by); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Counts in buckets whose upper bounds are the powers of two: bucket i holds values <= 2^i, the last one the rest.
template <std::size_t kBuckets>
struct PowersHistogram {
  std::array<Counter, kBuckets> buckets;
  Counter sum;

  void add(std::uint64_t value) {
    std::size_t bucket = value <= 1 ? 0 : 64 - static_cast<std::size_t>(__builtin_clzll(value - 1));
    buckets[bucket < kBuckets ? bucket : kBuckets - 1].add();
    sum.add(value);
  }
};

}  // namespace flashclaim
