// The second half of settling: the entries whose claims have their outcomes are finished in Redis.
#pragma once

#include <optional>
#include <string>

#include "consumer/batch.h"
#include "consumer/hold.h"
#include "consumer/metrics.h"
#include "engine/redis/client.h"

namespace flashclaim::consumer {

/// One thread; owns one Redis connection, made when needed.
class Finisher {
 public:
  /// `metrics` must outlive it.
  Finisher(std::string redis_url, int timeout_ms, Metrics& metrics);

  /// One round trip over all items that are kSettled: each becomes kDone, or kFaulty when its entry or its coupon's
  /// keys are not what they should be. A Hold leaves what has no answer kSettled: call again, finish is idempotent.
  MaybeHold finish(Batch& batch);

  /// Puts the item's entry among the dead of its coupon, so that it is not mirrored again while it waits in the DLQ.
  /// Goes through without effect when the entry cannot be known, is gone, or its keys are damaged.
  MaybeHold mark_dead(const Item& item);

 private:
  MaybeHold connect();
  MaybeHold take_answers(Batch& batch);
  MaybeHold judge_mismatch(Item& item);

  std::string redis_url_;
  redis::Milliseconds timeout_;
  Metrics& metrics_;
  std::optional<redis::Client> client_;
};

}  // namespace flashclaim::consumer
