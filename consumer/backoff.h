// Waiting times between two tries at a service that is away: doubling, capped, jittered.
#pragma once

#include <algorithm>
#include <random>

namespace flashclaim::consumer {

/// One thread.
class Backoff {
 public:
  Backoff(int first_ms, int max_ms) : first_ms_(first_ms), max_ms_(max_ms), step_ms_(first_ms) {}

  /// Between half the step and the step, so that workers who lost the same service do not come back in one front.
  int next_ms() {
    const int step = step_ms_;
    step_ms_ = std::min(max_ms_, step_ms_ * 2);
    return std::uniform_int_distribution<int>(std::max(1, step / 2), std::max(1, step))(random_);
  }
  void reset() { step_ms_ = first_ms_; }

 private:
  int first_ms_;
  int max_ms_;
  int step_ms_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace flashclaim::consumer
