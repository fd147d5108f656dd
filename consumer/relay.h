// The relay: from the outbox of settlement events to the exchange.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "consumer/event_message.h"
#include "consumer/metrics.h"
#include "consumer/options.h"
#include "consumer/stop.h"
#include "engine/amqp/connection.h"
#include "engine/base/backoff.h"
#include "engine/postgres/session.h"

namespace flashclaim::consumer {

/// One thread, with connections of its own. Any number may run: one of them holds the database's advisory lock and
/// works, the others try to get the lock about every second. At least once: a batch is deleted only after the broker
/// confirmed all its messages; after any failure before that it is published again. Holds at most kBatches batches in
/// memory.
class Relay {
 public:
  /// The references must outlive it.
  Relay(const Options& options, Metrics& metrics, const Stop& stop);
  /// The thread's whole life, until the stop flag is set.
  void run();

 private:
  /// Publishes and deletes up to kBatches batches; true when more may wait. After an error both connections are made
  /// again.
  Result<bool> step();
  Result<bool> connect();
  Result<void> publish(std::span<const EventMessage> messages);
  void drop();

  const Options& options_;
  Metrics& metrics_;
  const Stop& stop_;
  Backoff backoff_;
  bool chosen_ = false;  ///< this session holds the lock
  std::unique_ptr<postgres::Session> pg_;
  std::unique_ptr<amqp::Connection> broker_;
};

}  // namespace flashclaim::consumer
