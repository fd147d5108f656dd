// One thread of the load generator: its loop, its connections, its share of the schedule.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "bench/load.h"

namespace flashclaim::bench {

/// Made, run and destroyed by its thread; begin() and abandon() are for others.
class LoadWorker {
 public:
  /// Worker `number` of `plan.threads`; `on_connected` is called once, in its thread, when all its connections stand.
  LoadWorker(const LoadPlan& plan, int number, std::function<void()> on_connected);
  ~LoadWorker();
  LoadWorker(const LoadWorker&) = delete;
  LoadWorker& operator=(const LoadWorker&) = delete;

  /// Blocks until its share is done, or abandoned.
  void run();
  /// Any thread: the schedule starts at that moment of the monotonic clock.
  void begin(std::int64_t start_us);
  /// Any thread: ends run() at once.
  void abandon();

  [[nodiscard]] LoadReport& report();
  [[nodiscard]] const std::string& last_error() const;  ///< of its connections; after run()

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim::bench
