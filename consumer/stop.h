// The stop flag: set by one thread, read by all others.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace flashclaim::consumer {

/// Any thread. Once set by tell(), it stays set.
class Stop {
 public:
  void tell() {
    {
      const std::lock_guard lock(mutex_);
      told_ = true;
    }
    changed_.notify_all();
  }
  [[nodiscard]] bool told() const {
    const std::lock_guard lock(mutex_);
    return told_;
  }
  /// Sleeps for `delay`, or until the flag is set. Returns told().
  bool wait_for(std::chrono::milliseconds delay) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, delay, [this] { return told_; });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool told_ = false;
};

}  // namespace flashclaim::consumer
