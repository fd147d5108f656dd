// A server whose wall clock a test can set: it runs ahead of this machine's, or behind it.
#pragma once

#include <cstdint>
#include <string>

#include "tests/harness/services.h"

namespace flashclaim::harness {

/// The clock of one server; make it before the server and give setup() to it. Lives at least as long as the server.
class ShiftedClock {
 public:
  ShiftedClock();
  ~ShiftedClock();
  ShiftedClock(const ShiftedClock&) = delete;
  ShiftedClock& operator=(const ShiftedClock&) = delete;

  [[nodiscard]] Setup setup() const;
  /// From now on the server's clock is ahead by so many milliseconds; below 0: behind. Any thread.
  void ahead_by(std::int64_t ms);

 private:
  std::string file_;
  volatile std::int64_t* shift_ms_ = nullptr;
};

}  // namespace flashclaim::harness
