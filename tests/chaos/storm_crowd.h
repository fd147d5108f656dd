// The crowd of a storm: clients that claim over HTTP at both engines and behave as README's API table tells them.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/http/address.h"
#include "engine/operations/checker.h"
#include "tests/chaos/storm_log.h"
#include "tests/chaos/storm_sale.h"

namespace flashclaim::chaos {

/// A final refusal, with the time in which it was decided (between the last attempt's request and its answer).
struct Refusal {
  operations::ReportedRefusal told;
  std::int64_t sent_ms = 0;
  std::int64_t received_ms = 0;
};

struct CrowdReport {
  std::int64_t attempted = 0;                   ///< claims that somebody wanted
  std::int64_t requests = 0;                    ///< attempts to make them
  std::int64_t replays = 0;                     ///< accepted claims asked for once more with their key
  std::int64_t polls = 0;                       ///< GET of a claim
  std::int64_t unlearnt = 0;                    ///< without a key, and the answer was lost
  std::int64_t recovered = 0;                   ///< unknown first; the same key told later that it had been accepted
  std::int64_t unresolved = 0;                  ///< with a key, and never an answer though all was healed: a violation
  std::map<std::string, std::int64_t> answers;  ///< "202", "409 SOLD_OUT", "lost", "not sent"
  std::map<std::string, std::int64_t> unexpected;  ///< answers that the API does not have there
  std::vector<operations::Acknowledged> acknowledged;
  std::vector<Refusal> refusals;  ///< SOLD_OUT and LIMIT_REACHED
  /// (coupon, user) -> claims that may have been accepted though nobody was told so.
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> doubts;
};

struct CrowdOptions {
  std::vector<http::Address> engines;
  int connections = 32;  ///< to each engine
  int pipeline = 16;
  std::int64_t rate = 2000;      ///< new claims a second, at most
  std::int64_t open_max = 4000;  ///< claims without a final answer
  std::uint64_t seed = 0;
};

/// A thread of its own between begin() and finish().
class Crowd {
 public:
  Crowd(const CrowdOptions& options, Sale& sale, StormLog& log);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  void begin();
  /// No new claims; waits until each has its final answer, or `deadline_ms` are over.
  CrowdReport finish(std::int64_t deadline_ms);
  [[nodiscard]] std::int64_t acknowledged() const { return acknowledged_.load(); }
  [[nodiscard]] std::int64_t open() const { return open_.load(); }

  struct State;

 private:
  std::atomic<std::int64_t> acknowledged_{0};
  std::atomic<std::int64_t> open_{0};
  std::unique_ptr<State> state_;
  std::thread thread_;
};

}  // namespace flashclaim::chaos
