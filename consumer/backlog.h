// Counts the messages in each queue for /metrics, and finds rights that the login lacks for /readyz.
#pragma once

#include <memory>

#include "consumer/health.h"
#include "consumer/metrics.h"
#include "consumer/options.h"
#include "consumer/stop.h"
#include "engine/amqp/connection.h"
#include "engine/amqp/rights.h"

namespace flashclaim::consumer {

/// One thread, with a connection of its own, so that a slow look delays no delivery.
class Backlog {
 public:
  /// The references must outlive it.
  Backlog(const Options& options, Metrics& metrics, Health& health, const Stop& stop);
  /// The thread's whole life, until the stop flag is set: about every second, the depth of every queue.
  void run();

 private:
  Result<void> look();
  void look_at_rights();

  const Options& options_;
  Metrics& metrics_;
  Health& health_;
  const Stop& stop_;
  std::unique_ptr<amqp::Connection> connection_;
  amqp::RightsWatch rights_;
};

}  // namespace flashclaim::consumer
