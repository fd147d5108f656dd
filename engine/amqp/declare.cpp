// Declarations and questions of connection.h, on the channel that may be refused without harm.
#include "engine/amqp/session.h"
#include "engine/base/try.h"

namespace flashclaim::amqp {

Result<QueueState> Connection::queue_state(std::string_view queue) {
  amqp_queue_declare_t declare{};
  declare.queue = bytes_of(queue);
  declare.passive = 1;
  auto answer = TRY(impl_->ask(AMQP_QUEUE_DECLARE_METHOD, &declare));
  return QueueState{answer.messages, answer.consumers};
}

Result<std::int64_t> Connection::queue_depth(std::string_view queue) {
  auto state = TRY(queue_state(queue));
  return state.messages;
}

Result<void> Connection::exchange_state(std::string_view exchange) {
  amqp_exchange_declare_t declare{};
  declare.exchange = bytes_of(exchange);
  declare.type = amqp_cstring_bytes("topic");
  declare.passive = 1;
  auto answer = impl_->ask(AMQP_EXCHANGE_DECLARE_METHOD, &declare);
  return answer ? Result<void>() : answer.error();
}

Result<void> Connection::declare_topic_exchange(std::string_view exchange) {
  amqp_exchange_declare_t declare{};
  declare.exchange = bytes_of(exchange);
  declare.type = amqp_cstring_bytes("topic");
  declare.durable = 1;
  auto answer = impl_->ask(AMQP_EXCHANGE_DECLARE_METHOD, &declare);
  return answer ? Result<void>() : answer.error();
}

std::vector<std::pair<const char*, QueueArguments::Value>> QueueArguments::table() const {
  std::vector<std::pair<const char*, Value>> entries;
  if (quorum) entries.emplace_back("x-queue-type", "quorum");
  if (reject_when_full) entries.emplace_back("x-overflow", "reject-publish");
  if (ttl_ms > 0) entries.emplace_back("x-message-ttl", ttl_ms);
  if (length_max > 0) entries.emplace_back("x-max-length", length_max);
  if (!dead_letter_key.empty()) {
    entries.emplace_back("x-dead-letter-exchange", dead_letter_exchange);
    entries.emplace_back("x-dead-letter-routing-key", dead_letter_key);
    if (quorum) entries.emplace_back("x-dead-letter-strategy", "at-least-once");
  }
  return entries;
}

Result<void> Connection::declare_queue(std::string_view queue, const QueueArguments& arguments) {
  const auto table = arguments.table();
  std::vector<amqp_table_entry_t> entries;
  for (const auto& [key, value] : table) {
    const auto* text = std::get_if<std::string>(&value);
    entries.push_back(text != nullptr ? text_entry(key, *text) : integer_entry(key, std::get<std::int64_t>(value)));
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
  auto answer = TRY(impl_->ask(AMQP_QUEUE_PURGE_METHOD, &purge));
  return answer.messages;
}

Result<std::int64_t> Connection::delete_queue(std::string_view queue) {
  amqp_queue_delete_t remove{};
  remove.queue = bytes_of(queue);
  auto answer = TRY(impl_->ask(AMQP_QUEUE_DELETE_METHOD, &remove));
  return answer.messages;
}

Result<bool> Connection::may_publish(std::string_view exchange, std::string_view routing_key) {
  amqp_tx_select_t select{};
  TRY(impl_->ask(AMQP_TX_SELECT_METHOD, &select));
  amqp_basic_publish_t publish{0, bytes_of(exchange), bytes_of(routing_key), 0, 0};
  amqp_basic_properties_t none{};
  Wire& wire = impl_->wire;
  TRY(wire.queue_method(kAskChannel, AMQP_BASIC_PUBLISH_METHOD, &publish));
  if (auto queued = wire.queue_content(kAskChannel, none, ""); !queued) return wire.close(queued.error().message);
  // RabbitMQ looks at the rights when the publish comes, and at the queues when it is committed.
  amqp_tx_rollback_t rollback{};
  auto undone = impl_->ask(AMQP_TX_ROLLBACK_METHOD, &rollback);
  if (undone) return true;
  if (undone.error().code == ErrorCode::kDenied) return false;
  return undone.error();
}

}  // namespace flashclaim::amqp
