// The consumer process: its workers, the reconciler, the backlog's gauge and the admin listener, started and stopped
// together.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "consumer/backlog.h"
#include "consumer/health.h"
#include "consumer/metrics.h"
#include "consumer/options.h"
#include "consumer/reconciler.h"
#include "consumer/relay.h"
#include "consumer/stop.h"
#include "consumer/worker.h"
#include "engine/http/admin_server.h"

namespace flashclaim::consumer {

/// Made, asked and destroyed by one thread. Its own threads start in start() and end after request_stop().
class Service {
 public:
  /// Fails only when the admin address cannot be opened. A service that is away is not an error: the threads wait for
  /// it.
  static Result<std::unique_ptr<Service>> start(Options options, const http::Address& admin_listen);
  ~Service();  ///< request_stop, then waits for the threads
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Each worker finishes its batch, acknowledges it and closes. Returns at once.
  void request_stop() { stop_.tell(); }
  [[nodiscard]] bool finished() const { return running_ == 0; }
  [[nodiscard]] int admin_port() const { return admin_->port(); }
  [[nodiscard]] const Metrics& metrics() const { return metrics_; }

 private:
  explicit Service(Options options);
  template <class Part>
  void run(Part& part);
  [[nodiscard]] std::vector<http::Check> checks() const;

  const Options options_;
  Stop stop_;
  Metrics metrics_;
  Health health_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Reconciler mender_;
  Backlog backlog_;
  Relay relay_;
  std::atomic<int> running_{0};
  std::vector<std::thread> threads_;
  std::unique_ptr<http::AdminServer> admin_;  // last: its callbacks read all of the above
};

}  // namespace flashclaim::consumer
