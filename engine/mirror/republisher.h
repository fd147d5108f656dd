// Old entries that are acknowledged here but still unfinished are published again: whatever the broker lost comes back.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/mirror/due.h"
#include "engine/mirror/outbox.h"
#include "engine/mirror/window.h"

namespace flashclaim::mirror {

struct RepublishOptions {
  Schedule schedule;
  int per_second = 500;
  std::string owner;  ///< of the leases
};

/// One thread. A sweep of one coupon is a job; jobs take turns, one chunk each. A job ends when all that it published
/// was taken; until then it begins again. A short lease (`coupon:sweeper:{id}`) keeps several mirrors from sweeping the
/// same coupon at the same time, and `coupon:swept:{id}` tells the next one where to go on. Both only save work:
/// without them the entries would be published more often, and nothing else.
class Republisher {
 public:
  /// Publishes the entry and returns true, or declines it (in hand, damaged, finished).
  using Publish = std::function<bool(Seen&)>;

  explicit Republisher(RepublishOptions options);

  /// The broker lost its queue: everything acknowledged and unfinished in these coupons, whatever its age.
  void want_everything(const std::vector<std::int64_t>& coupons);
  /// Begins a sweep of this coupon where one is due. `now_ms` is Redis' clock.
  Result<void> consider(redis::Client& client, const Depth& depth, std::int64_t now_ms);
  /// One chunk of one job, at most `room` entries.
  Result<void> step(redis::Client& client, Outbox& outbox, std::size_t room, const Publish& publish);
  /// What became of an entry published with Purpose::kOld.
  void settle(const Carried& carried);
  [[nodiscard]] bool idle() const { return order_.empty() && finished_.empty(); }

 private:
  struct Job {
    std::vector<Span> spans;
    std::size_t at = 0;  // the span being read
    EntryId next;        // the first entry not read yet
    EntryId last;        // nothing beyond: no mirror has read it yet
    std::int64_t until_ms = 0;
    bool everything = false;  // not held to the rate
    bool read = false;        // to the end
    bool failed = false;
    std::size_t unanswered = 0;
  };
  struct Finished {
    std::int64_t coupon_id;
    std::int64_t until_ms;
  };

  Result<bool> take_lease(redis::Client& client, std::int64_t coupon, std::int64_t& swept_ms);
  Result<std::unordered_set<std::string>> held_back(redis::Client& client, std::int64_t coupon, const Reading& reading);
  Result<void> record_finished(redis::Client& client);
  void start(std::int64_t coupon, Job job);
  static void rewind(Job& job);
  void advance(Job& job, const Reading& reading, std::size_t asked);
  void end_if_done(std::int64_t coupon);
  [[nodiscard]] int lease_ms() const;
  std::size_t allowance();

  RepublishOptions options_;
  std::map<std::int64_t, Job> jobs_;
  std::deque<std::int64_t> order_;  // jobs that still read
  std::unordered_set<std::int64_t> everything_;
  std::vector<Finished> finished_;
  double tokens_ = 0;
  Clock::time_point filled_at_ = Clock::now();
};

}  // namespace flashclaim::mirror
