// Finds the entries whose messages seem lost: judged by what left the queue after them, never by age alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "engine/mirror/stream_reader.h"
#include "engine/mirror/window.h"

namespace flashclaim::mirror {

struct Patience {
  /// An entry that is still unfinished this long after its message must have left the queue counts as lost. Longer than
  /// all retry queues together, and than a consumer normally holds a batch.
  std::chrono::milliseconds grace{60000};
  /// For an entry that was published again and is still unfinished the grace doubles each time, up to this.
  std::chrono::milliseconds longest{3600000};
};

/// Entries of one coupon, both ends included.
struct Range {
  EntryId first;
  EntryId last;
  bool operator==(const Range&) const = default;
};

/// The queue gives out messages in the order in which it took them. So the message of an entry that was confirmed
/// before a moment T has left the queue (delivered, or lost) once
///   - the queue was seen empty after T, with consumers on it; or
///   - an entry that was published after T has been finished.
/// An entry that is still unfinished `grace` later counts as lost. This may be wrong: a consumer may hold the message
/// all that time. Then the duplicate costs one look in Redis. Without such a proof no entry counts as lost, however old
/// it is: its message waits in the queue.
///
/// A proof from one coupon holds for all: there is one queue. Redis' clock is not used and nothing is stored: ids are
/// compared within one stream, times are this process' own.
///
/// One thread. Its memory: some 150 bytes for each coupon that holds entries.
class LossJudge {
 public:
  explicit LossJudge(Patience patience) : patience_(patience) {}

  /// A look at a stream, begun at `before` and answered at `after`.
  void look(const Depth& depth, Clock::time_point before, Clock::time_point after);
  /// The queue's state, asked for at `asked`: whether it has no ready messages, and whether it has consumers.
  void hear(bool empty, bool consumed, Clock::time_point asked, Clock::time_point answered);
  /// Unacknowledged deliveries may be back in the queue: the broker or all consumers were away.
  void deliveries_may_be_back(Clock::time_point now);
  /// Whether the queue's state would help: some entry was unfinished in two looks.
  [[nodiscard]] bool wants_to_hear() const;

  /// The entries that count as lost now; nullopt: none. They stay due until swept() or another look.
  [[nodiscard]] std::optional<Range> due(std::int64_t coupon, Clock::time_point now) const;
  /// `published` entries of the range were published again; the others are dead, pending, finished, or published by
  /// another mirror.
  void swept(std::int64_t coupon, const Range& range, std::size_t published, Clock::time_point now);
  /// Another mirror sweeps this coupon: judge it from the beginning.
  void begin_anew(std::int64_t coupon);
  /// Forgets the coupons whose streams are not read any more.
  template <class Predicate>
  void forget_if(Predicate gone) {
    std::erase_if(coupons_, [&](const auto& item) { return gone(item.first); });
  }

 private:
  /// Entries up to `last`. They were acknowledged, and so confirmed, before `confirmed`: the time of the look after the
  /// one that first saw them. (An entry that stayed pending for longer may get a duplicate.)
  struct Stand {
    EntryId last;
    std::optional<Clock::time_point> confirmed;
    std::optional<Clock::time_point> passed;  ///< when it was known that they have left the queue
  };
  struct Coupon {
    std::optional<Stand> stand;
    EntryId oldest;
    EntryId probe;  ///< entries above it were published after `probed`
    std::optional<Clock::time_point> probed;
    EntryId swept;   ///< up to here the entries were published again ...
    int rounds = 0;  ///< ... so often, and are not due before:
    Clock::time_point again;
  };

  Patience patience_;
  std::unordered_map<std::int64_t, Coupon> coupons_;
  Clock::time_point left_{};      ///< all that was confirmed before this has left the queue
  Clock::time_point consumed_{};  ///< when a consumer was last seen
};

}  // namespace flashclaim::mirror
