// Why a service cannot be used, told by one thread and read by others.
#pragma once

#include <mutex>
#include <string>
#include <utility>

namespace flashclaim {

/// Any thread.
class Reason {
 public:
  explicit Reason(std::string first = "not asked yet") : why_(std::move(first)) {}
  void set(std::string why) {
    const std::lock_guard lock(mutex_);
    why_ = std::move(why);
  }
  [[nodiscard]] std::string get() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

 private:
  mutable std::mutex mutex_;
  std::string why_;
};

}  // namespace flashclaim
