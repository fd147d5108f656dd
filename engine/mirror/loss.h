// Which entries' messages are believed to be gone: judged by what left the queue after them, never by age alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "engine/mirror/stream_reader.h"
#include "engine/mirror/window.h"

namespace flashclaim::mirror {

struct Patience {
  /// From the proof that a message has left the queue, if it was in it, to the belief that it is gone. Longer than all
  /// retry queues together, and than a consumer's hold on a batch in good times.
  std::chrono::milliseconds grace{60000};
  /// Of an entry that was published again and is still unfinished: the grace doubles each time, up to this.
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
/// An entry that is then unfinished for `grace` more is believed to have lost its message. It is a belief: a consumer
/// may hold the message all that time, and the duplicate costs one look in Redis. Not believed without such a proof,
/// however old the entry is: it waits in the queue.
///
/// One coupon's proof serves the others: there is one queue. No clock of Redis is read and nothing is stored: ids are
/// compared within one stream, times are this process' own.
///
/// One thread. Its memory: some 150 bytes for each coupon that holds entries.
class LossJudge {
 public:
  explicit LossJudge(Patience patience) : patience_(patience) {}

  /// A look at a stream, begun at `before` and answered at `after`.
  void look(const Depth& depth, Clock::time_point before, Clock::time_point after);
  /// The queue's answer to a question that was asked at `asked`: whether nothing is ready, and whether anybody
  /// consumes.
  void hear(bool empty, bool consumed, Clock::time_point asked, Clock::time_point answered);
  /// What was delivered and not acknowledged may be in the queue again: the broker or all consumers were away.
  void deliveries_may_be_back(Clock::time_point now);
  /// Whether the queue's answer would tell anything: an entry waits for longer than a look.
  [[nodiscard]] bool wants_to_hear() const;

  /// The entries that are believed lost now; nullopt: none. They stay so until swept() or another look.
  [[nodiscard]] std::optional<Range> due(std::int64_t coupon, Clock::time_point now) const;
  /// They were published again, `published` of them (the others are dead, pending or finished), or by somebody else.
  void swept(std::int64_t coupon, const Range& range, std::size_t published, Clock::time_point now);
  /// The same for a coupon that another mirror sweeps: it is judged from the beginning.
  void begin_anew(std::int64_t coupon);
  /// Coupons whose streams are not read any more.
  template <class Predicate>
  void forget_if(Predicate gone) {
    std::erase_if(coupons_, [&](const auto& item) { return gone(item.first); });
  }

 private:
  /// Entries up to `last` that were acknowledged, so confirmed, before `confirmed`: the look after the one that saw
  /// them. (One that was pending in between for longer may get a duplicate.)
  struct Stand {
    EntryId last;
    std::optional<Clock::time_point> confirmed;
    std::optional<Clock::time_point> passed;  ///< when it was known that they have left the queue
  };
  struct Coupon {
    std::optional<Stand> stand;
    EntryId oldest;
    EntryId probe;  ///< whatever is above it was published after probed
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
