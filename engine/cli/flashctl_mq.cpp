// flashctl mq: the exchange and the queues.
#include <spdlog/fmt/fmt.h>

#include "engine/amqp/alarm.h"
#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/cli/command.h"

namespace flashclaim::cli {
namespace {

CommandResult mq_status(Context& context, const Arguments&) {
  const auto connection = context.amqp();
  if (!connection) return context.failed(connection.error());
  Table table{{"queue", "messages", "consumers"}, {}};
  std::string missing;
  for (const std::string& queue : amqp::queue_names()) {
    const auto state = (*connection)->queue_state(queue);
    if (!state && !(*connection)->open()) return context.failed(state.error());
    if (!state) missing = state.error().message;
    table.rows.push_back({Cell::text(queue), state ? Cell::number(state->messages) : Cell::none(),
                          state ? Cell::number(state->consumers) : Cell::none()});
  }
  Document document;
  document.add("queues", std::move(table));
  if (!missing.empty()) return refused("queues are missing: flashctl mq declare (" + missing + ")", document);
  const auto alarm = amqp::alarm_of(**connection);
  if (!alarm) return context.failed(alarm.error());
  document.add("alarm", alarm->empty() ? Cell::none() : Cell::text(*alarm));
  if (alarm->empty()) return done("", document);
  return {Exit::kFailure,
          "RabbitMQ has an alarm (" + *alarm + "): it takes no messages, and nothing settles until that is over",
          document};
}

CommandResult mq_declare(Context& context, const Arguments&) {
  const auto connection = context.amqp();
  if (!connection) return context.failed(connection.error());
  if (context.dry_run()) {
    return done(fmt::format("would declare the exchange {} and {} queues where they are missing (nothing was changed)",
                            amqp::kExchange, amqp::queue_names().size()));
  }
  const auto declared = amqp::declare_topology(**connection);
  if (!declared) return context.failed(declared.error());
  return done(fmt::format("the exchange {} and {} queues are there", amqp::kExchange, amqp::queue_names().size()));
}

}  // namespace

std::vector<Verb> mq_verbs() {
  return {{"mq", "declare", "", "declare the exchange and the queues", true, {}, mq_declare},
          {"mq", "status", "", "how much each queue holds", false, {}, mq_status}};
}

}  // namespace flashclaim::cli
