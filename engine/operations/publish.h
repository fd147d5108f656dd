// Publishes entries for commands, with the broker's confirm.
#pragma once

#include <span>
#include <vector>

#include "engine/base/result.h"
#include "engine/mirror/message.h"

namespace flashclaim::amqp {
class Connection;
}

namespace flashclaim::operations {

/// Publishes the messages to the exchange, mandatory, attempts 0, and waits for the confirms. result[i] is true when
/// the broker holds messages[i], false when no queue took it or the broker refused it. At most a few hundred at a time.
/// Precondition: confirm mode, and no other publish of this connection is unconfirmed.
Result<std::vector<bool>> publish_confirmed(amqp::Connection& amqp, std::span<const mirror::EntryMessage> messages);

}  // namespace flashclaim::operations
