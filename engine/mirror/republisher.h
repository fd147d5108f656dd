// Publishes entries again whose messages the broker lost.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/mirror/loss.h"
#include "engine/mirror/stream_reader.h"
#include "engine/mirror/window.h"

namespace flashclaim::mirror {

struct RepublishOptions {
  Patience patience;
  int per_second = 500;  ///< entries/s, all coupons together; not for want_everything()
  std::string owner;     ///< of the leases
};

/// One thread. A sweep of one coupon is a job; jobs take turns, one chunk each. A job ends when the broker has taken
/// all that it published; otherwise it begins again. Entries that are pending or dead are left out. A lease in Redis
/// (`coupon:sweeper:{id}`) keeps other mirrors from sweeping the same coupon meanwhile and for a while after. The lease
/// only saves work.
class Republisher {
 public:
  /// Publishes the entry and returns true, or declines it (in hand, damaged, finished).
  using Publish = std::function<bool(Seen&)>;

  explicit Republisher(RepublishOptions options);

  /// The broker lost its queue: publish again everything acknowledged and unfinished in these coupons, whatever its
  /// age.
  void want_everything(const std::vector<std::int64_t>& coupons);
  /// Takes a look at this coupon, begun at `before`. Begins a sweep if one is due: by LossJudge or want_everything().
  Result<void> consider(redis::Client& client, const Depth& depth, Clock::time_point before);
  [[nodiscard]] LossJudge& judge() { return judge_; }
  /// One chunk of one job, at most `room` entries.
  Result<void> step(redis::Client& client, StreamReader& reader, std::size_t room, const Publish& publish);
  /// What became of an entry published with Purpose::kOld.
  void settle(const Published& published);
  [[nodiscard]] bool idle() const { return order_.empty(); }

 private:
  struct Job {
    Range range;
    EntryId next;             // the first entry not read yet
    bool everything = false;  // not limited by per_second
    bool read = false;        // to the end
    bool failed = false;
    std::size_t published = 0;
    std::size_t unanswered = 0;
  };

  Result<bool> take_lease(redis::Client& client, std::int64_t coupon);
  void append_lease(redis::Client& client, std::int64_t coupon);
  Result<std::unordered_set<std::string>> held_back(redis::Client& client, std::int64_t coupon, const Reading& reading);
  void start(std::int64_t coupon, Job job);
  static void rewind(Job& job);
  static void advance(Job& job, const Reading& reading, std::size_t asked);
  void end_if_done(std::int64_t coupon);
  std::size_t allowance();

  RepublishOptions options_;
  LossJudge judge_;
  std::map<std::int64_t, Job> jobs_;
  std::deque<std::int64_t> order_;  // jobs that still read
  std::unordered_set<std::int64_t> everything_;
  double tokens_ = 0;
  Clock::time_point filled_at_ = Clock::now();
};

}  // namespace flashclaim::mirror
