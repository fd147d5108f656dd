// What is done with a message that is itself at fault: which queue takes it, with which attempt number.
#pragma once

#include <string>

#include "consumer/batch.h"
#include "engine/amqp/connection.h"

namespace flashclaim::consumer {

struct RetryDecision {
  std::string queue;
  bool dead = false;  ///< the queue is the DLQ: its entry must be marked dead first
  int attempts = 0;   ///< failed ones, this one included
  amqp::Headers headers;
};

/// Attempts are counted in a header of ours: the broker's own delivery count rises for everything that a killed
/// consumer had prefetched. A header that is no number counts as none: it is replaced, so nothing loops.
RetryDecision plan_retry(const Item& item);

}  // namespace flashclaim::consumer
