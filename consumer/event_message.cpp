// Writes the JSON by hand. Every value is a number or a word of ours: nothing needs escaping.
#include "consumer/event_message.h"

#include <spdlog/fmt/fmt.h>

namespace flashclaim::consumer {
namespace {

bool settled(const postgres::SettlementEvent& event) { return event.outcome == "settled"; }

bool together(const postgres::SettlementEvent& a, const postgres::SettlementEvent& b) {
  return a.batch == b.batch && a.claim.coupon_id == b.claim.coupon_id && settled(a) == settled(b);
}

EventMessage begin_message(const postgres::SettlementEvent& first) {
  EventMessage message;
  message.routing_key = settled(first) ? kSettledKey : kRefusedKey;
  const std::string_view kind = settled(first) ? "settled" : "refused";
  message.message_id = fmt::format("event-{}-{}-{}", first.batch, first.claim.coupon_id, kind);
  message.body = fmt::format(R"({{"v":1,"type":"{}","couponId":"{}","decidedAtMs":{},"claims":[)", message.routing_key,
                             first.claim.coupon_id, first.decided_ms);
  return message;
}

}  // namespace

std::vector<EventMessage> event_messages(std::span<const postgres::SettlementEvent> events) {
  std::vector<EventMessage> messages;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const postgres::SettlementEvent& event = events[i];
    const bool first = i == 0 || !together(events[i - 1], event);
    if (first) messages.push_back(begin_message(event));
    std::string& body = messages.back().body;
    body += fmt::format(R"({}{{"claimId":"{}","userId":"{}")", first ? "" : ",", event.claim.text(), event.user_id);
    if (!settled(event)) body += fmt::format(R"(,"reason":"{}")", event.outcome);
    body += '}';
    if (i + 1 == events.size() || !together(event, events[i + 1])) body += "]}";
  }
  return messages;
}

}  // namespace flashclaim::consumer
