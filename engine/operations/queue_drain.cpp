// Looks at the queues ten times a second; see queue_drain.h.
#include "engine/operations/queue_drain.h"

#include <thread>

#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"

namespace flashclaim::operations {
namespace {

using std::chrono::steady_clock;
constexpr auto kLook = std::chrono::milliseconds(100);

Result<std::int64_t> ready_in(amqp::Connection& connection, std::string_view queue) {
  const auto depth = connection.queue_depth(queue);
  if (depth) return *depth;
  if (!connection.open()) return depth.error();
  return 0;  // refused, not lost: there is no such queue
}

Result<std::int64_t> ready_messages(amqp::Connection& connection) {
  auto ready = ready_in(connection, amqp::kQueue);
  for (const std::string& queue : amqp::retry_queues()) {
    if (!ready) return ready;
    const auto waiting = ready_in(connection, queue);
    if (!waiting) return waiting;
    ready = *ready + *waiting;
  }
  return ready;
}

}  // namespace

Result<std::int64_t> drain_queues(amqp::Connection& connection, const QueueDrain& drain) {
  const auto started = steady_clock::now();
  auto quiet_since = started;
  while (true) {
    const auto ready = ready_messages(connection);
    if (!ready) return ready;
    const auto now = steady_clock::now();
    if (*ready > 0) quiet_since = now;
    if (now - quiet_since >= drain.quiet) return 0;
    if (*ready > 0 && now - started >= drain.wait) return *ready;
    if (drain.progress) drain.progress(*ready, 0);
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace flashclaim::operations
