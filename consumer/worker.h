// A worker: one thread that takes messages from the queue, settles them in batches, and acknowledges them.
#pragma once

#include <chrono>
#include <string>

#include "consumer/batch.h"
#include "consumer/confirmed_publisher.h"
#include "consumer/finisher.h"
#include "consumer/health.h"
#include "consumer/hold.h"
#include "consumer/metrics.h"
#include "consumer/options.h"
#include "consumer/settler.h"
#include "consumer/stop.h"
#include "consumer/subscription.h"
#include "engine/base/backoff.h"
#include "engine/base/link_log.h"

namespace flashclaim::consumer {

/// Owns its connections; shares no connection with other workers. Never gives up on a service that is away: the batch
/// is held and tried again. A lost AMQP connection drops the batch, because all of it will be delivered again.
///
/// Invariant: a message is acknowledged only after the database has the outcome of all of its claims and its entry is
/// finished (by this delivery, or before: Finisher::look), or after the broker has confirmed it in a retry queue or the
/// DLQ.
class Worker {
 public:
  /// The references must outlive it. `number` counts from 1.
  Worker(const Options& options, int number, Metrics& metrics, Health& health, const Stop& stop);

  /// The thread's whole life: until the stop flag is set and the current batch is done. A batch that is held then is
  /// dropped; the broker delivers it to another consumer.
  void run();

 private:
  bool connect();
  Batch gather();
  [[nodiscard]] bool fill(Batch& batch, int& claims);
  void process(Batch batch);
  MaybeHold advance(Batch& batch);
  MaybeHold dismiss(Batch& batch);
  MaybeHold dismiss(Item& item);
  Result<void> acknowledge(Batch& batch);
  void lost(const Error& error, std::size_t messages);

  const Options& options_;
  std::string name_;
  Metrics& metrics_;
  Health& health_;
  const Stop& stop_;
  Subscription subscription_;
  ConfirmedPublisher publisher_;
  Settler settler_;
  Finisher finisher_;
  Backoff reconnect_;
  LinkLog told_;
  std::optional<Item> next_;  // taken from the subscription, but too large for the batch before it
  std::chrono::steady_clock::time_point next_batch_at_{};
};

}  // namespace flashclaim::consumer
