// Decides what to do with a faulty message: which queue takes it, with which attempt number.
#pragma once

#include <string>

#include "consumer/batch.h"
#include "engine/amqp/connection.h"

namespace flashclaim::consumer {

struct RetryDecision {
  std::string queue;
  bool dead = false;  ///< the queue is the DLQ: the message's entry must be marked dead first
  int attempts = 0;   ///< failed ones, this one included
  amqp::Headers headers;
};

/// Attempts are counted in a header of ours, because the broker's own delivery count also rises for everything that a
/// killed consumer had prefetched. A header that is no number counts as 0 and is replaced, so nothing loops.
RetryDecision plan_retry(const Item& item);

}  // namespace flashclaim::consumer
