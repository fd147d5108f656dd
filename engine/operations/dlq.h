// Dead letters: entries whose message failed by its own fault keep their reservation until a person replays or rejects
// them; and the replay of entries that are in flight.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/operations/reconcile.h"

namespace flashclaim::amqp {
class Connection;
}

namespace flashclaim::operations {

/// Which dead letters are meant; absent = all.
struct DlqFilter {
  std::optional<std::int64_t> coupon_id;
  std::optional<EntryId> entry;
};

struct DeadLetter {
  std::int64_t coupon_id = 0;  ///< 0: the letter is damaged and its entry unknown
  std::int64_t epoch = 0;
  EntryId entry;
  std::int64_t claims = 0;
  bool letter = false;     ///< a message lies in the dead letter queue
  bool marked = false;     ///< the entry is in coupon:dead
  bool in_stream = false;  ///< the entry still holds its reservation
  std::string attempts;
  std::string problem;  ///< why the letter cannot be read; empty: it can
};

/// Letters and marks together, letters first. The letters are taken and put back: one list at a time.
Result<std::vector<DeadLetter>> list_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                                          const DlqFilter& filter);

struct DlqReport {
  std::int64_t handled = 0;   ///< entries published again, or rejected
  std::int64_t claims = 0;    ///< claims in them
  std::int64_t returned = 0;  ///< reject: claims that the database refused, whose units went back
  std::int64_t kept = 0;      ///< reject: claims that were settled before: they stay settled
  std::int64_t dropped = 0;   ///< letters thrown away: their entry is finished or of an older epoch, or unknown
  std::int64_t cleared = 0;   ///< marks taken off whose entry is gone
  std::int64_t left = 0;      ///< letters that were left where they are: each for a reason of its own
  std::string why_left;       ///< of the first of them
  std::string advice;         ///< what is to be done next; empty: nothing

  /// Whether the filter meant anything at all.
  [[nodiscard]] bool matched() const { return handled + dropped + cleared + left > 0; }
};

/// The mark is taken off, the entry published to the exchange with a clean count of attempts and confirmed, then its
/// letter removed: a death between leaves a duplicate, which settles once. Marks without a letter (the broker lost it)
/// are published from the stream. A letter that cannot be read is published from its stream entry, or left.
/// Precondition: `amqp` is in confirm mode (enable_confirms).
Result<DlqReport> replay_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                              const DlqFilter& filter);

/// The database decides in reject mode (the first outcome wins: a claim that was settled stays settled), then Redis
/// gives back what was refused, then the letter is removed. Rejected twice, the unit returns once.
Result<DlqReport> reject_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                              const DlqFilter& filter);

/// Throws away what neither replay nor reject can judge: letters that cannot be read and have no entry in the stream,
/// and letters whose entry holds other claims (the entry stays: it has a message of its own). With coupon and entry
/// named, also a stream entry that is damaged or of another epoch than its coupon: the coupon is marked suspect, and
/// reconcile puts stock and counts right. Letters that can be judged are left.
Result<DlqReport> drop_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                            const DlqFilter& filter);

/// The same of one stream entry by its id as Redis writes it, also one that no EntryId holds (above 2^63).
Result<DlqReport> drop_stream_entry(redis::Client& redis, std::int64_t coupon_id, std::string_view id);

struct ReplayReport {
  std::int64_t published = 0;  ///< entries
  std::int64_t left = 0;       ///< entries, or whole coupons, that are damaged: each was passed by
  std::string why_left;        ///< names the first of them
};

/// Publishes every unfinished, not dead entry of the coupon's stream again (the mirror does so where it believes their
/// messages lost). Harmless at any time. What is damaged is named and passed by; a failure is about the services.
/// Precondition: `amqp` is in confirm mode.
Result<ReplayReport> replay_entries(redis::Client& redis, amqp::Connection& amqp, std::int64_t coupon_id);

}  // namespace flashclaim::operations
