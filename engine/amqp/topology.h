// The exchange and the queues of the product: their names, their arguments, their declaration.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/amqp/connection.h"
#include "engine/base/result.h"

namespace flashclaim::amqp {

inline constexpr std::string_view kExchange = "promotion.topic";
inline constexpr std::string_view kRoutingKey = "coupon.receive";
inline constexpr std::string_view kQueue = "promotion.coupon.receive.queue";
/// Of settlement events (consumer/EVENTS.md): no queue of ours.
inline constexpr std::string_view kSettledKey = "coupon.settled";
inline constexpr std::string_view kRefusedKey = "coupon.refused";
inline constexpr std::string_view kDeadLetterQueue = "promotion.coupon.receive.dlq";
/// A message's attempts 1, 2, 3 that failed through its own fault wait this long; after the third it is dead.
inline constexpr std::array<std::int64_t, 3> kRetryDelaysMs = {1000, 5000, 25000};

/// Headers of a message. kChecksumHeader = checksum(body); kAttemptsHeader = decimal, absent means 0.
inline constexpr std::string_view kChecksumHeader = "x-checksum";
inline constexpr std::string_view kAttemptsHeader = "x-attempts";

/// Headers that a dismissed message carries besides, for whoever reads the DLQ: a word, and what exactly was wrong.
inline constexpr std::string_view kFaultHeader = "x-fault";
inline constexpr std::string_view kFaultDetailHeader = "x-fault-detail";

/// `promotion.coupon.receive.retry.<ms>`. Publish to it through the default exchange ("") with this as routing key.
std::string retry_queue(std::int64_t delay_ms);

struct QueueDeclaration {
  std::string name;
  QueueArguments arguments;
};
/// The queues of the product, the main queue first. All durable; the main one is bound to kExchange by kRoutingKey.
std::vector<QueueDeclaration> topology_queues();

/// Their names: the main queue, where messages wait to be tried again (shortest wait first), the dead letters.
std::vector<std::string> queue_names();
/// The middle ones of queue_names().
std::vector<std::string> retry_queues();

/// Declares everything; may be repeated at any time by a user who may configure the names. A queue that exists with
/// other arguments (they cannot be changed) is an error that names it and says what to do.
Result<void> declare_topology(Connection& connection);

/// For the programs, whose users may not configure anything (`flashctl access rabbitmq`): asks whether the exchange and
/// the queues are there; the error names the one that is not and what to do. A binding that is missing shows in
/// returned messages only.
Result<void> need_topology(Connection& connection);

}  // namespace flashclaim::amqp
