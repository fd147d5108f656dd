// Publishes a message that no queue receives: a broker under an alarm does not confirm it, and says why.
#include "engine/amqp/alarm.h"

#include "engine/amqp/topology.h"
#include "engine/base/try.h"

namespace flashclaim::amqp {
namespace {

constexpr int kPatienceMs = 3000;
constexpr std::string_view kNobodysKey = "flashclaim.probe";

}  // namespace

Result<std::string> alarm_of(Connection& connection) {
  TRY(connection.enable_confirms());
  Publication probe;
  probe.exchange = kExchange;
  probe.routing_key = kNobodysKey;
  probe.message_id = kNobodysKey;
  probe.mandatory = false;
  TRY(connection.publish(probe));
  for (;;) {
    const auto event = TRY(connection.poll(kPatienceMs));
    if (!event.has_value()) return failure("it neither takes nor refuses a publish");
    if (std::holds_alternative<Confirmed>(*event)) return std::string();
    if (const auto* blocked = std::get_if<Blocked>(&*event); blocked && blocked->blocked)
      return blocked->reason.empty() ? "of unknown reason" : blocked->reason;
  }
}

}  // namespace flashclaim::amqp
