// The mirror: publishes the entries of every issuing coupon's stream to RabbitMQ, at least once, and acknowledges them
// in the stream.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace flashclaim::mirror {

struct Options {
  std::string redis_url;
  std::string amqp_url;
  std::string name = "mirror-1";   ///< consumer name in group `mirror`: stable over restarts, one per running mirror
  std::size_t window = 1024;       ///< unconfirmed publishes at most
  int idle_claim_ms = 30000;       ///< another mirror's pending entry that is idle for this long is taken over
  int republish_after_ms = 60000;  ///< an entry that is still unfinished this long after its message must have left the
                                   ///< queue is published again, then after twice that, and so on (loss.h)
  int republish_every_max_ms = 3600000;  ///< the doubling stops here
  int republish_per_second = 500;        ///< cap of these publishes, all coupons together
  int stop_deadline_ms = 5000;           ///< stop() waits this long for confirms
};

/// A snapshot; counters since start.
struct MirrorStats {
  std::uint64_t mirrored = 0;       ///< entries published, confirmed and acknowledged in the stream
  std::uint64_t published = 0;      ///< publishes sent, all kinds
  std::uint64_t confirmed = 0;      ///< acks of the broker
  std::uint64_t returned = 0;       ///< unroutable: kept pending, published again
  std::uint64_t nacked = 0;         ///< refused by the broker: kept pending, published again
  std::uint64_t republished = 0;    ///< entries published again because their message seemed lost
  std::uint64_t taken_over = 0;     ///< entries claimed from a mirror that is gone
  std::uint64_t damaged = 0;        ///< entries with a bad checksum or shape, each counted once: a person must act
  std::uint64_t healed_groups = 0;  ///< NOGROUP seen and healed
  std::uint64_t unconfirmed = 0;    ///< now
  std::int64_t backlog = 0;         ///< entries not yet mirrored, as of the last look (some seconds old)
  std::int64_t unfinished = 0;      ///< entries in all issuing streams, as of the last look
  std::uint64_t coupons = 0;        ///< in coupon:issuing, as of the last look
  bool redis_connected = false;
  bool amqp_connected = false;
  bool amqp_blocked = false;   ///< an alarm at the broker
  std::string replication_id;  ///< of the Redis it last talked to
  std::string amqp_denied;     ///< what its login at RabbitMQ may not do; "": no missing right is known
};

/// Owns its connections. run() is one thread's whole life; stop() and stats() may be called from any thread. It never
/// gives up: when Redis or RabbitMQ is away, it backs off and tries again. Any number may run against one Redis, with
/// different names.
class Mirror {
 public:
  explicit Mirror(Options options);
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  /// Runs until stop(). Then it waits for confirms (stop_deadline_ms), acknowledges the confirmed entries and leaves
  /// the rest pending.
  void run();
  void stop();
  [[nodiscard]] MirrorStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flashclaim::mirror
