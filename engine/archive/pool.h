// The threads that ask PostgreSQL, and the bounded queue before them. One pool for all loops of the process.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/archive/question.h"
#include "engine/base/reason.h"
#include "engine/base/result.h"

namespace flashclaim::archive {

struct PoolOptions {
  std::string pg_url;  ///< the primary: a standby is treated as away
  int threads = 1;     ///< each with a session of its own
  std::size_t waiting_max = 1024;
};

/// Written and read by any thread.
struct PoolCounters {
  std::atomic<std::uint64_t> claims{0};   ///< asked for
  std::atomic<std::uint64_t> held{0};     ///< lists asked for
  std::atomic<std::uint64_t> waiting{0};  ///< now, in the queue
  std::atomic<std::uint64_t> full{0};     ///< refused because the queue was full: BUSY
  std::atomic<std::uint64_t> late{0};     ///< waited too long: BUSY
  std::atomic<std::uint64_t> away{0};     ///< PostgreSQL did not answer: NOT_READY
  std::atomic<std::uint64_t> connects{0};
  std::atomic<std::uint64_t> connected{0};  ///< threads
  Reason denied{""};                        ///< what the login may not do, in words; "": nothing known
};

class Pool {
 public:
  /// Fails when the URL is malformed. PostgreSQL may be away: the pool connects when it is there.
  static Result<std::unique_ptr<Pool>> start(const PoolOptions& options);
  /// Answers the waiting questions NOT_READY. Blocks until the statements and connects under way have ended: a few
  /// seconds when PostgreSQL is silent.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Any thread; blocks only on the queue's mutex. Every question is answered exactly once.
  void ask(Question question);
  [[nodiscard]] const PoolCounters& counters() const { return counters_; }
  [[nodiscard]] int threads() const { return static_cast<int>(threads_.size()); }

 private:
  explicit Pool(const PoolOptions& options);
  void serve(int number);
  bool take(std::vector<Question>& questions, bool connected);

  const PoolOptions options_;
  PoolCounters counters_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Question> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace flashclaim::archive
