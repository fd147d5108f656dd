// Waiting times between two tries at a service that is away: doubling, capped, jittered.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace flashclaim {

/// One thread. Begins due.
class Backoff {
 public:
  Backoff(int first_ms, int max_ms) : first_ms_(first_ms), max_ms_(max_ms), step_ms_(first_ms) {}

  /// After a failed try: between half the step and the step, so that those who lost the same service do not come back
  /// in one front; the step doubles. Not due again before that.
  int next_ms() {
    const int wait_ms = std::uniform_int_distribution<int>(std::max(1, step_ms_ / 2), std::max(1, step_ms_))(random_);
    next_ = Clock::now() + std::chrono::milliseconds(wait_ms);
    step_ms_ = std::min(max_ms_, step_ms_ * 2);
    return wait_ms;
  }
  [[nodiscard]] bool due() const { return Clock::now() >= next_; }
  /// No try has failed since the last success.
  [[nodiscard]] bool fresh() const { return next_ == Clock::time_point{}; }
  /// The steps have grown to their cap.
  [[nodiscard]] bool at_cap() const { return step_ms_ >= max_ms_; }
  /// After a success.
  void reset() {
    step_ms_ = first_ms_;
    next_ = {};
  }

 private:
  using Clock = std::chrono::steady_clock;

  int first_ms_;
  int max_ms_;
  int step_ms_;
  Clock::time_point next_{};
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace flashclaim
