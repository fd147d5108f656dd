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

/// Which dead letters to handle; absent = all.
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

/// Letters and marks together, letters first. The letters are taken from the queue and put back, so only one list may
/// run at a time.
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

  /// Whether the filter matched anything.
  [[nodiscard]] bool matched() const { return handled + dropped + cleared + left > 0; }
};

/// Takes off the mark, publishes the entry to the exchange with attempts 0, awaits the confirm, then removes the
/// letter. A crash in between leaves a duplicate, which settles once. A mark without a letter (the broker lost it) is
/// published from the stream. A letter that cannot be read is published from its stream entry, or left. Precondition:
/// `amqp` is in confirm mode (enable_confirms).
Result<DlqReport> replay_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                              const DlqFilter& filter);

/// The database decides in reject mode (the first outcome wins: a settled claim stays settled), then Redis takes back
/// the refused units, then the letter is removed. After two rejections a unit returns once.
Result<DlqReport> reject_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                              const DlqFilter& filter);

/// Deletes what neither replay nor reject can judge: letters that cannot be read and have no entry in the stream, and
/// letters whose entry holds other claims (the entry stays: it has a message of its own). With coupon and entry in the
/// filter, also a stream entry that is damaged or of another epoch than its coupon: the coupon is marked suspect, and
/// reconcile corrects stock and counts. Letters that can be judged are left.
Result<DlqReport> drop_dead(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp,
                            const DlqFilter& filter);

/// The same for one stream entry, by its id as Redis writes it; the id may be too large for EntryId (above 2^63).
Result<DlqReport> drop_stream_entry(redis::Client& redis, std::int64_t coupon_id, std::string_view id);

struct ReplayReport {
  std::int64_t published = 0;  ///< entries
  std::int64_t left = 0;       ///< entries, or whole coupons, that are damaged: each was passed by
  std::string why_left;        ///< names the first of them
};

/// Publishes again every entry of the coupon's stream that is unfinished and not dead (the mirror does this only for
/// messages that seem lost). Harmless at any time. Damaged entries are named and skipped; a failure is about the
/// services. Precondition: `amqp` is in confirm mode.
Result<ReplayReport> replay_entries(redis::Client& redis, amqp::Connection& amqp, std::int64_t coupon_id);

}  // namespace flashclaim::operations
