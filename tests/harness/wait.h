// Waiting in tests: for a condition, with a generous deadline; never for a time.
#pragma once

#include <chrono>
#include <thread>

namespace flashclaim::harness {

using namespace std::chrono_literals;

/// True as soon as `holds()` is true, false when it was not within `deadline`. The deadline only bounds a failing test:
/// it is generous because the machine may be slow: a test may say that something waits at least so long, or does not
/// hang, never how fast it is. Use: `ASSERT_TRUE(wait_until([&] { … }))`.
template <class Predicate>
[[nodiscard]] bool wait_until(Predicate holds, std::chrono::milliseconds deadline = 120s,
                              std::chrono::milliseconds pause = 20ms) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (true) {
    if (holds()) {
      return true;
    }
    if (std::chrono::steady_clock::now() >= end) {
      return false;
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace flashclaim::harness
