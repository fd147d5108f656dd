// The publishes that the broker has not answered yet, in the order of their sequences.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "engine/amqp/connection.h"
#include "engine/base/ids.h"

namespace flashclaim::mirror {

using Clock = std::chrono::steady_clock;

/// Why an entry is published: it is pending for this mirror (first publish), or it is old and unfinished (republish).
enum class Purpose { kPending, kOld };

/// The outcome of one publish. Not taken: refused, returned, or unknown because the connection ended.
struct Published {
  std::int64_t coupon_id = 0;
  EntryId entry;
  Purpose purpose = Purpose::kPending;
  bool taken = false;
};

/// One thread. Sequences rise by one. They begin again at 1 after clear(), as on a new connection.
class Window {
 public:
  void add(std::uint64_t sequence, std::int64_t coupon_id, EntryId entry, Purpose purpose);
  /// This message came back unroutable: the confirm that follows does not count. False: no open publish has this id.
  bool mark_returned(std::string_view message_id);
  /// Appends what the confirm decides.
  void answer(const amqp::Confirmed& confirmed, std::vector<Published>& outcomes);
  /// Appends all that is left as not taken, and forgets it.
  void clear(std::vector<Published>& outcomes);

  [[nodiscard]] std::size_t size() const { return open_; }
  /// When the oldest unanswered publish was made; precondition: size() > 0.
  [[nodiscard]] Clock::time_point oldest() const { return items_.front().at; }

 private:
  struct Item {
    Published published;
    Clock::time_point at;
    bool returned = false;
    bool answered = false;
  };
  void decide(Item& item, bool taken, std::vector<Published>& outcomes);

  std::deque<Item> items_;   // the first one is unanswered
  std::uint64_t first_ = 1;  // sequence of items_.front()
  std::size_t open_ = 0;     // unanswered items
};

}  // namespace flashclaim::mirror
