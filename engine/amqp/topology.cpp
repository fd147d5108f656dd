// See topology.h. The arguments are decided here once: RabbitMQ cannot change them later.
#include "engine/amqp/topology.h"

#include "engine/amqp/connection.h"

namespace flashclaim::amqp {
namespace {

/// Quorum, and never dropping: should an operator's policy bound a queue, publishes are refused instead (a nack).
QueueArguments lasting_queue() {
  QueueArguments arguments;
  arguments.quorum = true;
  arguments.reject_when_full = true;
  return arguments;
}

QueueArguments waiting_queue(std::int64_t delay_ms) {
  QueueArguments arguments = lasting_queue();
  arguments.ttl_ms = delay_ms;
  arguments.dead_letter_exchange = kExchange;
  arguments.dead_letter_key = kRoutingKey;
  return arguments;
}

Result<void> declare(Connection& connection, std::string_view queue, const QueueArguments& arguments) {
  auto declared = connection.declare_queue(queue, arguments);
  if (declared || !connection.open()) return declared;
  return failure("queue " + std::string(queue) + " cannot be declared: " + declared.error().message +
                 ". Where it exists with other arguments: stop the programs, let it run empty, delete it, start again");
}

}  // namespace

std::string retry_queue(std::int64_t delay_ms) { return "promotion.coupon.receive.retry." + std::to_string(delay_ms); }

Result<void> declare_topology(Connection& connection) {
  if (auto declared = connection.declare_topic_exchange(kExchange); !declared)
    return failure("exchange " + std::string(kExchange) + " cannot be declared: " + declared.error().message);
  if (auto declared = declare(connection, kQueue, lasting_queue()); !declared) return declared;
  if (auto bound = connection.bind_queue(kQueue, kExchange, kRoutingKey); !bound) return bound;
  for (std::int64_t delay_ms : kRetryDelaysMs)
    if (auto declared = declare(connection, retry_queue(delay_ms), waiting_queue(delay_ms)); !declared) return declared;
  return declare(connection, kDeadLetterQueue, lasting_queue());
}

}  // namespace flashclaim::amqp
