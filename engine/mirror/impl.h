// The mirror's loop: what it holds in memory between two cycles; private to this room.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "engine/amqp/rights.h"
#include "engine/base/backoff.h"
#include "engine/base/link_log.h"
#include "engine/mirror/mirror.h"
#include "engine/mirror/publisher.h"
#include "engine/mirror/queue_watch.h"
#include "engine/mirror/republisher.h"
#include "engine/mirror/stream_reader.h"
#include "engine/mirror/streams.h"
#include "engine/redis/client.h"

namespace flashclaim::mirror {

struct EntryKey {
  std::int64_t coupon_id;
  EntryId entry;
  bool operator==(const EntryKey&) const = default;
};
struct EntryKeyHash {
  std::size_t operator()(const EntryKey& key) const {
    auto mix = static_cast<std::uint64_t>(key.coupon_id) * 0x9E3779B97F4A7C15u;
    mix = (mix ^ static_cast<std::uint64_t>(key.entry.ms)) * 0x9E3779B97F4A7C15u;
    return (mix ^ static_cast<std::uint64_t>(key.entry.seq)) * 0x9E3779B97F4A7C15u;
  }
};

/// Memory holds only what is under way; everything else is in Redis. When anything goes wrong with an entry, it is
/// dropped here and found again among this consumer's pending entries: `recovering_` says in which coupons to look, and
/// from which position.
class Mirror::Impl {
 public:
  explicit Impl(Options options);
  void run();
  void stop();
  [[nodiscard]] MirrorStats stats() const;

 private:
  /// A connection to Redis and what reads through it.
  struct Redis {
    Redis(redis::Client connected, const std::string& name) : client(std::move(connected)), reader(client, name) {}
    redis::Client client;
    StreamReader reader;
  };

  // Lifecycle (mirror.cpp).
  void connect_redis_if_due();
  Result<void> greet_redis();
  Result<void> judge_replication_id();
  Result<void> look_at_server_if_due();
  Result<void> mark_all_suspect();
  void look_at_rights();
  void redis_failed(std::string_view during, const Error& error);
  void wait(int ms);
  void drain();
  void show();

  // One cycle (cycle.cpp).
  void turn();
  void keep_pace(Clock::time_point until);
  Result<void> refresh_coupons_if_due();
  Result<void> acknowledge();
  Result<std::size_t> recover(std::size_t room);
  Result<std::size_t> read_streams(std::size_t room);
  void take(Reading reading);
  void take_entry(Seen seen);
  void publish_ready();
  void settle(const std::vector<Published>& outcomes);
  [[nodiscard]] bool at_rest() const;

  // Now and then (upkeep.cpp).
  Result<void> upkeep_if_due();
  Result<void> look_at(const std::vector<std::int64_t>& coupons);
  void look_at_queue();
  Result<void> look_after(const Depth& depth, Clock::time_point before);
  Result<void> take_over_idle(std::int64_t coupon);
  Result<void> take_over_still(const Depth& depth);
  Result<void> republish();
  void note_damage(const Seen& seen);

  const Options options_;
  std::unique_ptr<Redis> redis_;
  Publisher publisher_;
  QueueWatch watch_;
  amqp::RightsWatch rights_;
  Republisher republisher_;
  StreamSet streams_;
  Backoff redis_backoff_{50, 2000};
  LinkLog redis_told_;
  Clock::time_point server_at_{};  // when to ask Redis again whether it is the primary

  std::deque<EntryMessage> ready_;                      // read, not published yet
  std::unordered_set<EntryKey, EntryKeyHash> in_hand_;  // ready, unconfirmed or not yet acknowledged
  Acknowledgements confirmed_;                          // to be acknowledged in Redis
  std::map<std::int64_t, EntryId> recovering_;          // coupon -> position among our own pending entries
  std::unordered_set<EntryKey, EntryKeyHash> damaged_;  // already reported
  std::unordered_map<std::int64_t, Depth> depths_;      // as of the last look
  /// Since when another mirror's oldest pending entry is the same. `until`: up to here its entries count as given up.
  struct Still {
    EntryId oldest;
    std::int64_t deliveries = 0;
    Clock::time_point since;
    EntryId until;
  };
  std::unordered_map<std::int64_t, std::map<std::string, Still>> still_;  // by coupon and consumer
  std::deque<std::int64_t> to_look_at_;
  std::uint64_t look_rounds_ = 0;
  Clock::time_point coupons_at_{}, upkeep_at_{}, look_round_at_{}, cold_at_{};

  MirrorStats now_;  // this thread's
  mutable std::mutex shared_mutex_;
  MirrorStats shared_;  // what stats() shows
  std::mutex stop_mutex_;
  std::condition_variable stop_signal_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace flashclaim::mirror
