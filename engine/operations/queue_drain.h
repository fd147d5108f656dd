// Waiting until RabbitMQ has handed everything to the consumers.
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
  /// Nothing ready for this long counts as empty. What a consumer holds unacknowledged is not seen, so this is longer
  /// than its longest back-off (consumer/options.h).
  std::chrono::milliseconds quiet = std::chrono::seconds(6);
  Progress progress;  ///< messages left; may be empty
};

/// Blocks until the main and the retry queues are quiet. Returns the messages that are still ready, 0 when it is. A
/// queue that does not exist holds nothing. Dead letters are not counted. The connection belongs to the calling thread.
Result<std::int64_t> drain_queues(amqp::Connection& connection, const QueueDrain& drain);

}  // namespace flashclaim::operations
