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

/// An entry as read. Without a message it is gone from the stream (finished), or, with `damage`, not what the Lua
/// library writes: the text says how.
struct Seen {
  std::int64_t coupon_id = 0;
  EntryId entry;
  std::optional<EntryMessage> message;
  std::string damage;
};

struct Reading {
  std::vector<Seen> entries;
  std::vector<std::int64_t> healed;      ///< their group was missing (Redis lost data) and was made again, from 0
  std::vector<std::int64_t> unreadable;  ///< their key is damaged: nothing was read from them
  std::vector<std::int64_t> gone;        ///< no longer in coupon:issuing: purged, and not to be read again
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
  std::int64_t unread = 0;   ///< not read by any
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
/// loads, it is a replica): whatever was asked for may have happened, and may be asked for again.
class StreamReader {
 public:
  StreamReader(redis::Client& client, std::string consumer) : client_(client), consumer_(std::move(consumer)) {}

  Result<std::vector<std::int64_t>> issuing();
  Result<std::string> replication_id();

  /// Entries that no mirror has read: at most `count` of each stream. block_ms > 0 waits that long for the first.
  Result<Reading> read_new(std::span<const std::int64_t> coupons, std::size_t count, int block_ms);
  /// Entries that this consumer has read and not acknowledged, after the given positions.
  Result<Reading> read_own(std::span<const Position> positions, std::size_t count);
  /// Takes pending entries over from consumers that let them lie for idle_ms. `next` is where to go on; 0-0 at the end.
  Result<Reading> take_over(Position from, int idle_ms, std::size_t count, EntryId& next);
  /// What the others have pending, one element a member that has something.
  Result<std::vector<Unacknowledged>> of_others(std::int64_t coupon_id);
  /// Takes up to `count` entries up to `last` over from this consumer, however long they are idle. One that it
  /// acknowledges meanwhile may be replaced by the next pending one, whosever that is.
  Result<Reading> take_over_from(std::int64_t coupon_id, const std::string& consumer, EntryId last, std::size_t count);
  Result<Reading> range(std::int64_t coupon_id, EntryId first, EntryId last, std::size_t count);
  /// Returns how many of the group's pending entries this removed. Nothing may be owed on the client.
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
