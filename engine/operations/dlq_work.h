// Collects the dead letters and marks that a command works on: takes letters from the queue, reads them, matches them
// with the stream.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/mirror/message.h"
#include "engine/operations/dlq.h"
#include "engine/redis/client.h"

namespace flashclaim::operations {

/// A letter that was taken from the queue and not acknowledged: it returns to the queue by nack, or when the connection
/// closes.
struct Letter {
  std::uint64_t tag = 0;
  std::string attempts;
  std::optional<mirror::EntryMessage> message;  ///< nullopt: damaged, or too large to be kept
  std::optional<ClaimId> named;                 ///< what the message id says of a damaged one; index 0
  std::string problem;                          ///< why it cannot be read, or why nothing can be done with it
};

std::int64_t coupon_of(const Letter& letter);
EntryId entry_of(const Letter& letter);
bool matches(const DlqFilter& filter, std::int64_t coupon_id, EntryId entry);

/// Takes every letter from the queue; the caller puts back those that the filter does not match.
Result<std::vector<Letter>> take_letters(amqp::Connection& amqp);
Result<void> put_back(amqp::Connection& amqp, const Letter& letter);

/// A stream entry as XRANGE returns it.
Result<mirror::EntryMessage> message_of(std::int64_t coupon_id, redis::ReplyView entry);
/// The entry as the stream has it; nullopt when it is not there. A failure while the connection is alive: the entry is
/// damaged.
Result<std::optional<mirror::EntryMessage>> stream_entry(redis::Client& redis, std::int64_t coupon_id, EntryId entry);

/// The marked entries that match the filter, of all coupons. A coupon whose marks are damaged is counted as left.
Result<std::set<std::pair<std::int64_t, EntryId>>> marks(redis::Client& redis, postgres::Session& pg,
                                                         const DlqFilter& filter, DlqReport& report);

/// One dead entry to handle: with its letter, or without.
struct Case {
  mirror::EntryMessage message;
  std::optional<std::uint64_t> tag;
};

/// The work of a command. If a letter's entry is in the stream, the stream's is used (the letter may be damaged).
struct Worklist {
  std::vector<Case> cases;
  std::vector<Letter> hopeless;  ///< damaged, and without an entry in the stream
  std::vector<Letter>
      foreign;  ///< whole, but its entry in the stream holds other claims: it is not that entry's letter
  std::vector<std::pair<std::int64_t, EntryId>> stale_marks;
};

/// Puts back at once the letters that do not match, and those whose entry in the stream is damaged (counted as left).
Result<Worklist> gather(redis::Client& redis, postgres::Session& pg, amqp::Connection& amqp, const DlqFilter& filter,
                        DlqReport& report);

/// Counts a letter that is left; the first reason is kept.
void leave(DlqReport& report, std::string why);
/// The same, and puts the letter back into the queue.
Result<void> leave_there(amqp::Connection& amqp, std::optional<std::uint64_t> tag, DlqReport& report, std::string why);
/// Whether the error reply is about this coupon's keys or this call, and not about the server.
bool is_about_the_coupon(redis::Client& redis, const Error& error);

}  // namespace flashclaim::operations
