// The arguments of the queues are decided here once: RabbitMQ cannot change them later.
#include "engine/amqp/topology.h"

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

Error refused(const std::string& what, const Error& error, const std::string& otherwise) {
  return failure(
      what + " cannot be declared: " + error.message + ". " +
      (error.code == ErrorCode::kDenied ? "This user may not: run flashctl mq declare as the admin" : otherwise));
}

Result<void> declare(Connection& connection, const QueueDeclaration& queue) {
  auto declared = connection.declare_queue(queue.name, queue.arguments);
  if (declared || !connection.open()) return declared;
  return refused("queue " + queue.name, declared.error(),
                 "Where it exists with other arguments: stop the programs, let it run empty, delete it, start again");
}

}  // namespace

std::string retry_queue(std::int64_t delay_ms) { return "promotion.coupon.receive.retry." + std::to_string(delay_ms); }

std::vector<QueueDeclaration> topology_queues() {
  std::vector<QueueDeclaration> queues = {{std::string(kQueue), lasting_queue()}};
  for (std::int64_t delay_ms : kRetryDelaysMs) queues.push_back({retry_queue(delay_ms), waiting_queue(delay_ms)});
  queues.push_back({std::string(kDeadLetterQueue), lasting_queue()});
  return queues;
}

std::vector<std::string> retry_queues() {
  std::vector<std::string> names;
  for (std::int64_t delay_ms : kRetryDelaysMs) names.push_back(retry_queue(delay_ms));
  return names;
}

std::vector<std::string> queue_names() {
  std::vector<std::string> names;
  for (QueueDeclaration& queue : topology_queues()) names.push_back(std::move(queue.name));
  return names;
}

Result<void> declare_topology(Connection& connection) {
  if (auto declared = connection.declare_topic_exchange(kExchange); !declared) {
    if (!connection.open()) return declared;
    return refused("exchange " + std::string(kExchange), declared.error(), "Where it is of another type: delete it");
  }
  for (const QueueDeclaration& queue : topology_queues())
    if (auto declared = declare(connection, queue); !declared) return declared;
  return connection.bind_queue(kQueue, kExchange, kRoutingKey);
}

Result<void> need_topology(Connection& connection) {
  const auto missing = [&](std::string_view what, const Error& error) -> Result<void> {
    if (!connection.open()) return error;
    return failure(std::string(what) + " is not there (" + error.message + "): run flashctl mq declare as the admin");
  };
  if (auto there = connection.exchange_state(kExchange); !there) return missing(kExchange, there.error());
  for (const QueueDeclaration& queue : topology_queues())
    if (auto there = connection.queue_state(queue.name); !there) return missing(queue.name, there.error());
  return {};
}

}  // namespace flashclaim::amqp
