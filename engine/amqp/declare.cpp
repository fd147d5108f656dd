// Declarations and questions of connection.h, on the channel that may be refused without harm.
#include "engine/amqp/session.h"

namespace flashclaim::amqp {

Result<QueueState> Connection::queue_state(std::string_view queue) {
  amqp_queue_declare_t declare{};
  declare.queue = bytes_of(queue);
  declare.passive = 1;
  auto answer = impl_->ask(AMQP_QUEUE_DECLARE_METHOD, &declare);
  if (!answer) return answer.error();
  return QueueState{answer->messages, answer->consumers};
}

Result<std::int64_t> Connection::queue_depth(std::string_view queue) {
  auto state = queue_state(queue);
  if (!state) return state.error();
  return state->messages;
}

Result<void> Connection::declare_topic_exchange(std::string_view exchange) {
  amqp_exchange_declare_t declare{};
  declare.exchange = bytes_of(exchange);
  declare.type = amqp_cstring_bytes("topic");
  declare.durable = 1;
  auto answer = impl_->ask(AMQP_EXCHANGE_DECLARE_METHOD, &declare);
  return answer ? Result<void>() : answer.error();
}

Result<void> Connection::declare_queue(std::string_view queue, const QueueArguments& arguments) {
  std::vector<amqp_table_entry_t> entries;
  if (arguments.quorum) entries.push_back(text_entry("x-queue-type", "quorum"));
  if (arguments.reject_when_full) entries.push_back(text_entry("x-overflow", "reject-publish"));
  if (arguments.ttl_ms > 0) entries.push_back(integer_entry("x-message-ttl", arguments.ttl_ms));
  if (arguments.length_max > 0) entries.push_back(integer_entry("x-max-length", arguments.length_max));
  if (!arguments.dead_letter_key.empty()) {
    entries.push_back(text_entry("x-dead-letter-exchange", arguments.dead_letter_exchange));
    entries.push_back(text_entry("x-dead-letter-routing-key", arguments.dead_letter_key));
    if (arguments.quorum) entries.push_back(text_entry("x-dead-letter-strategy", "at-least-once"));
  }
  amqp_queue_declare_t declare{};
  declare.queue = bytes_of(queue);
  declare.durable = 1;
  declare.arguments = table_of(entries);
  auto answer = impl_->ask(AMQP_QUEUE_DECLARE_METHOD, &declare);
  return answer ? Result<void>() : answer.error();
}

Result<void> Connection::bind_queue(std::string_view queue, std::string_view exchange, std::string_view routing_key) {
  amqp_queue_bind_t bind{};
  bind.queue = bytes_of(queue);
  bind.exchange = bytes_of(exchange);
  bind.routing_key = bytes_of(routing_key);
  auto answer = impl_->ask(AMQP_QUEUE_BIND_METHOD, &bind);
  return answer ? Result<void>() : answer.error();
}

Result<std::int64_t> Connection::purge_queue(std::string_view queue) {
  amqp_queue_purge_t purge{0, bytes_of(queue), 0};
  auto answer = impl_->ask(AMQP_QUEUE_PURGE_METHOD, &purge);
  if (!answer) return answer.error();
  return answer->messages;
}

Result<std::int64_t> Connection::delete_queue(std::string_view queue) {
  amqp_queue_delete_t remove{};
  remove.queue = bytes_of(queue);
  auto answer = impl_->ask(AMQP_QUEUE_DELETE_METHOD, &remove);
  if (!answer) return answer.error();
  return answer->messages;
}

}  // namespace flashclaim::amqp
