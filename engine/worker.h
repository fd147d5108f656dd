// One thread of the HTTP front: its own loop, listener, Redis connection and claim handler; shares nothing with the
// others.
#pragma once

#include <memory>
#include <string>

#include "engine/archive/pool.h"
#include "engine/auth/auth_filter.h"
#include "engine/base/result.h"
#include "engine/claim/counters.h"
#include "engine/http/server.h"
#include "engine/http/tls.h"
#include "engine/redis/async.h"

namespace flashclaim {

struct WorkerOptions {
  http::Address listen = {};   ///< TCP: with SO_REUSEPORT
  int listen_descriptor = -1;  ///< not -1: accept from a copy of it instead
  std::string redis_url = {};
  http::Limits limits = {};
  auth::Setup auth = {};
  std::shared_ptr<const http::TlsContext> tls = nullptr;  ///< null: plain HTTP
  /// How long to wait for the connection to Redis before listening: who shares the port with a working engine must not
  /// take a claim that it cannot serve yet.
  int patience_ms = 0;
  http::Cors cors = {};
  archive::Pool* archive = nullptr;  ///< outlives the worker; null: what Redis has forgotten is not known here
};

class Worker {
 public:
  /// Listens before it returns; the thread runs from then on.
  static Result<std::unique_ptr<Worker>> start(const WorkerOptions& options);
  /// Closes what is left and joins.
  ~Worker();
  /// The same, and everything may still be read. May be called again.
  void stop();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Any thread: no new connections; those that are here end after their answers. Done when drained().
  void drain();
  [[nodiscard]] bool drained() const;

  /// Any thread: from its next request on it goes by these keys.
  void use(std::shared_ptr<const auth::Keys> keys);
  /// Any thread: its next connections begin with this certificate.
  void use(std::shared_ptr<const http::TlsContext> tls);

  /// Any thread; all of them atomics.
  [[nodiscard]] const http::ServerCounters& http_counters() const;
  [[nodiscard]] const claim::ClaimCounters& claim_counters() const;
  [[nodiscard]] const auth::AuthCounters& auth_counters() const;
  [[nodiscard]] const redis::AsyncCounters& redis_counters() const;
  [[nodiscard]] int port() const;

 private:
  struct State;
  explicit Worker(std::unique_ptr<State> state);
  Result<void> listen(const WorkerOptions& options);
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim
