// GET /claims/{id}?wait=5s: answers that wait for an outcome, and are given when `finish` has told it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/claim/counters.h"
#include "engine/claim/view.h"
#include "engine/loop/loop.h"
#include "engine/redis/finished.h"
#include "engine/redis/subscriber.h"

namespace flashclaim::claim {

inline constexpr int kWaitMaxS = 30;

/// The `wait` of a query in milliseconds: `wait=5s`, 0 to kWaitMaxS whole seconds; 0 when there is none. nullopt: it is
/// malformed, or there twice.
std::optional<int> parse_wait(std::string_view query);

/// The waiting of one thread. Subscribed to a coupon's channel first, then the claim is looked at, so that nothing is
/// missed; a message carries the outcomes of its whole entry, so that a crowd that waits costs Redis no further call.
/// At its deadline a claim is looked at once more, whatever the channel said: what a poll answers is never a guess.
class LongPolls final : public redis::Listener, public Watcher {
 public:
  LongPolls(loop::Loop& loop, Views& views, ClaimCounters& counters);
  void bind(redis::Subscriber& subscriber) { subscriber_ = &subscriber; }

  /// Answers within `wait_ms` and the time of a view. Too many waiting, or draining: at once, as without a wait.
  void wait(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id, int wait_ms);
  /// Everybody is answered with what is true now, from now on.
  void drain();

  void subscribed(std::string_view channel) noexcept override;
  void message(std::string_view channel, std::string_view payload) noexcept override;
  void missing() noexcept override {}  // subscribed() comes again, and with it a look at every claim
  Next viewed(std::uint64_t watch, bool pending) noexcept override;

 private:
  static constexpr std::uint32_t kNobody = UINT32_MAX;
  struct Waiter {
    http::Exchange exchange;
    ClaimId claim;
    std::int64_t user_id = 0;
    std::uint32_t generation = 0;  ///< odd while it is used
    bool last = false;             ///< the next view is its answer
    bool queued = false;           ///< in to_view_
    bool viewing = false;
    bool again = false;  ///< the view under way may be older than the subscription
    std::uint32_t newer = kNobody;
    std::uint32_t older = kNobody;
  };
  struct Channel {
    std::string name;
    std::map<EntryId, std::uint32_t> newest;  ///< of the waiters for an entry
    std::size_t waiters = 0;
    bool idle = false;  ///< nobody has waited since the last look
  };
  using Due = std::pair<std::int64_t, std::uint64_t>;  ///< when in ms, and whose watch

  std::uint32_t take();
  void link(std::uint32_t index, Channel& channel);
  void forget(std::uint32_t index);
  [[nodiscard]] std::uint64_t watch_of(std::uint32_t index) const;
  Waiter* find(std::uint64_t watch);
  void look_at(std::uint32_t index);
  void look_at_all(const Channel& channel);
  void collect(std::uint32_t newest, std::vector<std::uint64_t>& watches) const;
  void pump();
  void tell(std::uint32_t index, const redis::Finished& finished);
  void on_deadline();
  void arm_deadline();
  void leave_idle_channels();

  Views& views_;
  ClaimCounters& counters_;
  redis::Subscriber* subscriber_ = nullptr;
  bool draining_ = false;
  bool pumping_ = false;
  std::size_t viewing_ = 0;
  std::vector<Waiter> waiters_;
  std::vector<std::uint32_t> spare_;
  std::unordered_map<std::int64_t, Channel> channels_;  ///< by coupon
  std::deque<std::uint64_t> to_view_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  loop::Timer deadline_;
  loop::Timer leave_;
};

}  // namespace flashclaim::claim
