// The streams of the issuing coupons in Redis, as one member of the group `mirror` reads and acknowledges them.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/mirror/message.h"
#include "engine/redis/client.h"

namespace flashclaim::mirror {

/// An entry as read. Without a message the entry is gone from the stream (finished), or it is damaged: then `damage`
/// says how it differs from what the Lua library writes.
struct Seen {
  std::int64_t coupon_id = 0;
  EntryId entry;
  std::optional<EntryMessage> message;
  std::string damage;
};

struct Reading {
  std::vector<Seen> entries;
  std::vector<std::int64_t> healed;      ///< coupons whose group was missing (Redis lost data) and was made from 0
  std::vector<std::int64_t> unreadable;  ///< coupons whose key is damaged: nothing was read from them
  std::vector<std::int64_t> gone;        ///< coupons no longer in coupon:issuing (purged): not to be read again
};

struct Position {
  std::int64_t coupon_id = 0;
  EntryId after;
};

/// What a stream holds, as of one look.
struct Depth {
  std::int64_t coupon_id = 0;
  bool has_group = false;
  std::int64_t length = 0;   ///< unfinished entries
  std::int64_t pending = 0;  ///< read by some mirror, not acknowledged
  std::int64_t unread = 0;   ///< not read by any mirror
  EntryId last_read;         ///< by any mirror
  std::optional<EntryId> oldest;
  EntryId finished;  ///< the highest id that was ever removed from it; 0-0: none
};

/// What another member of the group has read and not acknowledged: its oldest entry, and how often that was delivered.
struct Unacknowledged {
  std::string consumer;
  EntryId oldest;
  std::int64_t deliveries = 0;
};

/// Entry ids to acknowledge, by coupon.
using Acknowledgements = std::map<std::int64_t, std::vector<EntryId>>;

/// Borrows the client. One thread. A failure means that the connection is gone or that the server refused to work (it
/// loads, it is a replica). A failed call may have taken effect, and may be repeated.
class StreamReader {
 public:
  StreamReader(redis::Client& client, std::string consumer) : client_(client), consumer_(std::move(consumer)) {}

  Result<std::vector<std::int64_t>> issuing();
  Result<std::string> replication_id();

  /// Entries that no mirror has read: at most `count` of each stream. block_ms > 0 waits that long for the first.
  Result<Reading> read_new(std::span<const std::int64_t> coupons, std::size_t count, int block_ms);
  /// Entries that this consumer has read and not acknowledged, after the given positions.
  Result<Reading> read_own(std::span<const Position> positions, std::size_t count);
  /// Takes over pending entries that were idle for idle_ms. `next` is where to go on; 0-0 at the end.
  Result<Reading> take_over(Position from, int idle_ms, std::size_t count, EntryId& next);
  /// What the other members have pending: one element for each member that has something.
  Result<std::vector<Unacknowledged>> of_others(std::int64_t coupon_id);
  /// Takes over from `consumer` up to `count` entries with ids up to `last`, however long they are idle. Where it
  /// acknowledges an entry meanwhile, the next pending entry of any consumer may be taken instead.
  Result<Reading> take_over_from(std::int64_t coupon_id, const std::string& consumer, EntryId last, std::size_t count);
  Result<Reading> range(std::int64_t coupon_id, EntryId first, EntryId last, std::size_t count);
  /// Returns how many of the group's pending entries this removed. Precondition: the client awaits no reply.
  Result<std::uint64_t> acknowledge(const Acknowledgements& entries);
  Result<std::vector<Depth>> depths(std::span<const std::int64_t> coupons);

 private:
  Result<Reading> read_group(std::span<const Position> positions, std::size_t count, int block_ms, bool fresh);
  Result<redis::Reply> ask_group(std::span<const Position> positions, std::size_t count, int block_ms, bool fresh);
  Result<Reading> read_singly(std::span<const Position> positions, std::size_t count, bool fresh);
  Result<std::vector<Position>> still_issuing(std::span<const Position> positions, Reading& into);
  Result<void> make_groups(std::span<const Position> positions, Reading& into);
  Result<Depth> read_depth(std::int64_t coupon_id);

  redis::Client& client_;
  std::string consumer_;
};

}  // namespace flashclaim::mirror
