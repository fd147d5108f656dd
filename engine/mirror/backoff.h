// A capped, jittered, doubling back-off.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace flashclaim::mirror {

/// One thread. Begins due.
class Backoff {
 public:
  using Clock = std::chrono::steady_clock;

  Backoff(int first_ms, int most_ms) : first_ms_(first_ms), most_ms_(most_ms), step_ms_(first_ms) {}

  [[nodiscard]] bool due() const { return Clock::now() >= next_; }
  /// Not due again before half to the whole of the present step; the step doubles. Returns the wait in milliseconds.
  int fail() {
    int wait_ms = std::uniform_int_distribution<int>(step_ms_ / 2, step_ms_)(random_);
    next_ = Clock::now() + std::chrono::milliseconds(wait_ms);
    step_ms_ = std::min(2 * step_ms_, most_ms_);
    return wait_ms;
  }
  /// The steps have grown to their cap.
  [[nodiscard]] bool at_cap() const { return step_ms_ >= most_ms_; }
  void succeed() {
    step_ms_ = first_ms_;
    next_ = {};
  }

 private:
  int first_ms_;
  int most_ms_;
  int step_ms_;
  Clock::time_point next_{};
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace flashclaim::mirror
