// One thread of the HTTP front: its own loop, listener, Redis connection and claim desk; shares nothing with the
// others.
#pragma once

#include <memory>
#include <string>

#include "engine/base/result.h"
#include "engine/claim/counters.h"
#include "engine/http/server.h"
#include "engine/redis/async.h"

namespace flashclaim {

class Worker {
 public:
  /// Listens (SO_REUSEPORT) before it returns; the thread runs from then on. It waits up to `patience_ms` for its
  /// connection to Redis before it listens: who shares the port with a working engine must not take a claim that it
  /// cannot serve yet.
  static Result<std::unique_ptr<Worker>> start(const http::Address& listen, const std::string& redis_url,
                                               const http::Limits& limits = {}, int patience_ms = 0,
                                               const http::Cors& cors = {});
  /// Closes what is left and joins.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Any thread: no new connections; those that are here end after their answers. Done when drained().
  void drain();
  [[nodiscard]] bool drained() const;

  /// Any thread; all of them atomics.
  [[nodiscard]] const http::ServerCounters& http_counters() const;
  [[nodiscard]] const claim::DeskCounters& claim_counters() const;
  [[nodiscard]] const redis::AsyncCounters& redis_counters() const;
  [[nodiscard]] int port() const;

 private:
  struct State;
  explicit Worker(std::unique_ptr<State> state);
  Result<void> listen(const http::Address& address);
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim
