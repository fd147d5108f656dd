// Paces a long walk over Redis: it pauses after each call, so that other clients get their share.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "engine/base/result.h"

namespace flashclaim::operations {

/// Belongs to one thread.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;

  /// `share` of the time, above 0 and at most 1, goes to the calls; 1: no pause. `interrupted` (may be empty) is asked
  /// in between: it ends the walk within 50 ms.
  explicit Pace(double share = 1, std::function<bool()> interrupted = {})
      : rest_per_work_((1 - share) / share), interrupted_(std::move(interrupted)) {}

  /// Makes the call, pauses, and returns the call's result; or an error when interrupted.
  template <class Call>
  auto operator()(Call&& call) const -> decltype(call()) {
    const auto begin = Clock::now();
    auto result = call();
    const auto end = Clock::now();
    const auto until = end + std::min<Clock::duration>(
                                 std::chrono::duration_cast<Clock::duration>((end - begin) * rest_per_work_), kRestMax);
    for (auto now = end; now < until; now = Clock::now()) {
      if (interrupted_ && interrupted_()) return failure("interrupted");
      std::this_thread::sleep_for(std::min<Clock::duration>(until - now, kSlice));
    }
    return result;
  }

 private:
  static constexpr Clock::duration kRestMax = std::chrono::seconds(1);
  static constexpr Clock::duration kSlice = std::chrono::milliseconds(50);

  double rest_per_work_;
  std::function<bool()> interrupted_;
};

}  // namespace flashclaim::operations
