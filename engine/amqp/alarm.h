// Whether the broker takes publishes: under an alarm (disk, memory) it answers every question, and settles nothing.
#pragma once

#include <string>

#include "engine/amqp/connection.h"
#include "engine/base/result.h"

namespace flashclaim::amqp {

/// The broker's words for its alarm, such as "low on disk"; "" when it takes publishes. It tells only who publishes:
/// one message of no content goes to kExchange, by a key that no queue is bound to. For a connection without confirm
/// mode that does nothing else at that time; under an alarm it is of no further use. Its user must be one who may write
/// there.
Result<std::string> alarm_of(Connection& connection);

}  // namespace flashclaim::amqp
