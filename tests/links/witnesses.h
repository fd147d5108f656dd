// Honest clients that go on claiming while a test breaks things, and remember every word they were told.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/operations/checker.h"
#include "tests/harness/raw_http.h"

namespace flashclaim::links {

/// One claim as it was sent: whoever sends it again with the same key asks what became of it.
struct Order {
  std::int64_t user_id = 0;
  std::string key;
};

struct Answered {
  std::int64_t accepted = 0;
  std::int64_t busy = 0;
  std::int64_t not_ready = 0;
  std::int64_t views = 0;                              ///< answered with what was asked for
  std::int64_t slowest_ms = 0;                         ///< of all answers
  std::int64_t slowest_accepted_ms = 0;                ///< of the 202s
  std::vector<operations::Acknowledged> acknowledged;  ///< every 202
  std::vector<Order> unknown;                          ///< OUTCOME_UNKNOWN, not asked about again yet
  std::vector<std::string> dishonest;                  ///< answers that the API does not promise, and silence
  [[nodiscard]] std::int64_t answers() const;
};

/// Each client is a thread with a keep-alive connection; each claim is of another user. Every fifth request reads the
/// coupon. Between two requests a client rests a moment, so that a test is no load test.
class Witnesses {
 public:
  Witnesses(int http_port, std::int64_t coupon, int clients = 4);
  ~Witnesses();
  Witnesses(const Witnesses&) = delete;
  Witnesses& operator=(const Witnesses&) = delete;

  [[nodiscard]] std::int64_t accepted() const { return accepted_; }
  [[nodiscard]] std::int64_t answers() const { return answers_; }
  /// Ends the clients; what they were told.
  Answered& stop();
  /// After stop(): asks about every unknown claim with its key until it stands, and returns how many had been carried
  /// out the first time.
  std::int64_t ask_again();

 private:
  void live();
  void request(harness::RawConnection& connection, const std::string& text, const Order* order);
  void note(const harness::RawAnswer& answer, const Order* order, std::int64_t took_ms);

  const int port_;
  const std::int64_t coupon_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> accepted_{0};
  std::atomic<std::int64_t> answers_{0};
  std::mutex mutex_;  // over told_
  Answered told_;
  std::vector<std::thread> clients_;
};

}  // namespace flashclaim::links
