// The second half of settling: once all claims of an entry have outcomes, the entry is finished in Redis.
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

  /// Before the database is asked: one round trip to Redis about the entries of all items that are kReceived and were
  /// not looked up yet.
  ///   - The entry is finished with exactly these claims: kDone. Only in this case the database is not asked. The proof
  ///     is the result that `finish` wrote in the same step in which it removed the entry, and finish is called only
  ///     when every claim has its outcome in the database. Epoch and users must be those of the message.
  ///   - The entry is there with other claims: kFaulty (mismatch). The message settles nothing: it is damaged or
  ///   forged.
  ///   - The entry is absent: unchanged, the database is asked. Redis forgets a result after an hour, and may have lost
  ///     the entry (a roll-back, a rebuild): its claims may live in this message alone (INV-3).
  ///   - Anything else, and no reply: unchanged. Settling does not wait for Redis.
  void look(Batch& batch);

  /// One round trip over all items that are kSettled: each becomes kDone, or kFaulty when its entry or its coupon's
  /// keys are wrong. After a Hold the items without a reply are still kSettled: call again, finish is idempotent.
  MaybeHold finish(Batch& batch);

  /// Adds the item's entry to the dead entries of its coupon, so that it is not mirrored again while its message waits
  /// in the DLQ. Succeeds without effect when the entry cannot be known, is gone, or its keys are damaged.
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
