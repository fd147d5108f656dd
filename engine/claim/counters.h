// What one claim handler counts: written by its thread only, with plain stores, read by the metrics of any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/http/problem.h"
#include "engine/redis/functions.h"

namespace flashclaim::claim {

/// A counter with one writer: no locked instruction.
class Counter {
 public:
  void add(std::uint64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  void sub(std::uint64_t by) { value_.store(value_.load(std::memory_order_relaxed) - by, std::memory_order_relaxed); }
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

struct ClaimCounters {
  Counter accepted;
  Counter replayed;
  std::array<Counter, http::kProblemCount> claims_refused;  ///< claims only, by problem
  Counter answered_locally;  ///< refused without asking Redis, which had said for how long; in claims_refused too
  Counter views;
  Counter polls_waiting;             ///< GET /claims/{id}?wait= now
  Counter polls_pushed;              ///< answered by what finish said
  Counter polls_expired;             ///< answered `pending` at their deadline
  PowersHistogram<10> batch_claims;  ///< claims per FCALL
  PowersHistogram<24> claim_us;      ///< from the parsed request to the answer
  Counter waiting;                   ///< claims now, in and before flight
};

}  // namespace flashclaim::claim
