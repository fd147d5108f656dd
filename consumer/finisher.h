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

  /// One look in Redis, in one round trip, at the entries of all items that are kReceived and were not looked up yet,
  /// before the database is asked:
  ///   - finished, with exactly these claims: kDone. This is the one case in which the database is not asked. It rests
  ///   on
  ///     the result that `finish` wrote in the same step as it removed the entry (finish is called only when every
  ///     claim has its outcome in the database); epoch and users must be those of the message. After an hour, when
  ///     Redis has forgotten it, and for an entry that Redis lost (a roll-back, a rebuild), the database is asked as
  ///     ever: an absent entry proves nothing, its claims may live in this message alone (INV-3).
  ///   - there, with other claims: kFaulty (mismatch). It settles nothing: it is damaged or forged.
  ///   - everything else is left as it is, also what Redis did not answer about: settling does not wait for Redis.
  void look(Batch& batch);

  /// One round trip over all items that are kSettled: each becomes kDone, or kFaulty when its entry or its coupon's
  /// keys are not what they should be. A Hold leaves what has no answer kSettled: call again, finish is idempotent.
  MaybeHold finish(Batch& batch);

  /// Puts the item's entry among the dead of its coupon, so that it is not mirrored again while it waits in the DLQ.
  /// Goes through without effect when the entry cannot be known, is gone, or its keys are damaged.
  MaybeHold mark_dead(const Item& item);

 private:
  MaybeHold connect();
  MaybeHold look_up(Batch& batch, Stage stage);
  void judge_look(Item& item, redis::EntryState state);
  MaybeHold take_answers(Batch& batch);
  void note_unaccepted(const Item& item, redis::FinishReply reply);
  MaybeHold judge_mismatch(Item& item);

  std::string redis_url_;
  redis::Milliseconds timeout_;
  Metrics& metrics_;
  std::optional<redis::Client> client_;
};

}  // namespace flashclaim::consumer
