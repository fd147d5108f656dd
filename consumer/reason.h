// Why a service cannot be used, told by one thread and read by others.
#pragma once

#include <mutex>
#include <string>
#include <utility>

namespace flashclaim::consumer {

/// Any thread.
class Reason {
 public:
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
  std::string why_ = "not asked yet";
};

}  // namespace flashclaim::consumer
