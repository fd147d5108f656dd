// Waits until RabbitMQ has delivered everything to the consumers.
#pragma once

#include <chrono>
#include <cstdint>

#include "engine/base/result.h"
#include "engine/operations/reconcile.h"

namespace flashclaim::amqp {
class Connection;
}

namespace flashclaim::operations {

struct QueueDrain {
  std::chrono::milliseconds wait = std::chrono::seconds(60);  ///< give up after this long
  /// No ready message for this long counts as empty. Unacknowledged deliveries are not counted, so this is longer than
  /// a consumer's longest back-off (consumer/options.h).
  std::chrono::milliseconds quiet = std::chrono::seconds(6);
  Progress progress;  ///< messages left; may be empty
};

/// Blocks until the main and the retry queues are quiet, or the time is over. Returns how many messages are still
/// ready; 0: quiet. A queue that does not exist counts as empty. Dead letters are not counted. The connection belongs
/// to the calling thread.
Result<std::int64_t> drain_queues(amqp::Connection& connection, const QueueDrain& drain);

}  // namespace flashclaim::operations
