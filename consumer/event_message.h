// The messages that report settlements to other systems: their format is a contract, see EVENTS.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/amqp/topology.h"
#include "engine/postgres/events.h"

namespace flashclaim::consumer {

using amqp::kRefusedKey;
using amqp::kSettledKey;

struct EventMessage {
  std::string_view routing_key;
  std::string message_id;  ///< the same at every repetition
  std::string body;
};

/// One message for each batch, coupon and kind, in the order of `events` (as settlement_events gives them).
std::vector<EventMessage> event_messages(std::span<const postgres::SettlementEvent> events);

}  // namespace flashclaim::consumer
