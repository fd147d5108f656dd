// A crowd of sane clients: claims at a steady rate over several engines, each with an Idempotency-Key, each repeated
// with the same key until it is known what became of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "bench/claim_http.h"
#include "engine/operations/checker.h"

namespace flashclaim::harness {

struct CrowdOptions {
  std::vector<int> ports;             ///< of engines on 127.0.0.1; any of them may be away
  std::vector<std::int64_t> coupons;  ///< one of them for each claim, at random
  std::int64_t users = 1000;          ///< 1..users, at random
  int per_second = 1000;              ///< new claims; repeats come on top
  int connections = 16;               ///< to each engine
  std::int64_t attempt_ms = 5'000;    ///< how long one attempt waits for its answer
  std::int64_t open_max = 2'000;      ///< no new claim while so many are not known yet
  std::uint64_t seed = 1;             ///< of coupons and users; also in the keys: two crowds need two seeds
};

/// What the crowd was told. Every claim that was begun is in `tally` once, with its final word, or in `unlearnt`.
struct CrowdReport {
  bench::Tally tally;
  bench::Tally attempts;  ///< the word on every attempt
  std::int64_t begun = 0;
  std::int64_t repeats = 0;   ///< attempts after the first of a claim
  std::int64_t unlearnt = 0;  ///< no final word when the patience of finish() ended
  std::vector<operations::Acknowledged> acknowledged;
  std::vector<operations::ReportedRefusal> told;
};

/// Claims from the moment it is made, in a thread of its own, until finish(). The methods are for one thread.
class Crowd {
 public:
  explicit Crowd(const CrowdOptions& options);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  [[nodiscard]] std::int64_t accepted() const;
  /// Begins nothing more, and returns when every claim has its final word, or after `patience_ms`. Once.
  CrowdReport finish(std::int64_t patience_ms = 120'000);

  struct State;  ///< crowd.cpp's own

 private:
  std::unique_ptr<State> state_;
  std::thread thread_;
};

}  // namespace flashclaim::harness
