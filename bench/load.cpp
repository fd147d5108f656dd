// Starts the threads, gives them a common start, and sums their reports.
#include "bench/load.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "bench/load_worker.h"
#include "engine/loop/loop.h"

namespace flashclaim::bench {
namespace {

constexpr std::int64_t kCommonStartUs = 20'000;  // after the last connection stands

/// Starts the workers together once all of them are connected.
class LoadRun {
 public:
  explicit LoadRun(const LoadPlan& plan) : plan_(plan) {}

  Result<LoadReport> run() {
    std::vector<std::thread> threads;
    for (int i = 0; i < plan_.threads; ++i) threads.emplace_back([this, i] { work(i); });
    bool connected = start_together();
    for (std::thread& thread : threads) thread.join();
    if (connected) return std::move(sum_);
    return failure(fmt::format("not every one of {} connections to {} could be made in {} ms{}{}", plan_.connections,
                               plan_.address.text(), plan_.connect_ms, error_.empty() ? "" : ": ", error_));
  }

 private:
  void work(int number) {
    LoadWorker worker(plan_, number, [this] {
      std::lock_guard lock(mutex_);
      ++connected_;
      changed_.notify_all();
    });
    {
      std::lock_guard lock(mutex_);
      workers_.push_back(&worker);
      changed_.notify_all();
    }
    worker.run();
    std::lock_guard lock(mutex_);
    sum_.merge(worker.report());
    if (error_.empty()) error_ = worker.last_error();
  }

  bool start_together() {
    std::unique_lock lock(mutex_);
    auto all_of = [this](std::size_t count) { return count == static_cast<std::size_t>(plan_.threads); };
    changed_.wait(lock, [&] { return all_of(workers_.size()); });
    bool connected =
        changed_.wait_for(lock, std::chrono::milliseconds(plan_.connect_ms), [&] { return all_of(connected_); });
    std::int64_t start_us = loop::now_us() + kCommonStartUs;
    const auto wall = std::chrono::system_clock::now() + std::chrono::microseconds(kCommonStartUs);
    sum_.started_at_ms = std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch()).count();
    for (LoadWorker* worker : workers_) {
      if (connected) {
        worker->begin(start_us);
      } else {
        worker->abandon();
      }
    }
    return connected;
  }

  const LoadPlan& plan_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<LoadWorker*> workers_;
  std::size_t connected_ = 0;
  LoadReport sum_;
  std::string error_;
};

}  // namespace

void LoadReport::merge(const LoadReport& other) {
  tally.merge(other.tally);
  all.merge(other.all);
  due += other.due;
  unsent += other.unsent;
  measured_us = std::max(measured_us, other.measured_us);
  answering_us = std::max(answering_us, other.answering_us);
  latency.merge(other.latency);
  accepted.merge(other.accepted);
  refused.merge(other.refused);
  service.merge(other.service);
  lag.merge(other.lag);
  timeline.resize(std::max(timeline.size(), other.timeline.size()));
  for (std::size_t i = 0; i < other.timeline.size(); ++i) {
    timeline[i].sent += other.timeline[i].sent;
    timeline[i].accepted += other.timeline[i].accepted;
    timeline[i].refused += other.timeline[i].refused;
    timeline[i].other += other.timeline[i].other;
    timeline[i].latency_max_us = std::max(timeline[i].latency_max_us, other.timeline[i].latency_max_us);
  }
  acknowledged.insert(acknowledged.end(), other.acknowledged.begin(), other.acknowledged.end());
  if (problem.empty()) problem = other.problem;
}

Result<LoadReport> run_load(const LoadPlan& plan) { return LoadRun(plan).run(); }

}  // namespace flashclaim::bench
