// The reconciler: watches Redis against the database, mends suspected coupons, freezes one whose Redis rolled back.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "consumer/health.h"
#include "consumer/metrics.h"
#include "consumer/options.h"
#include "consumer/stop.h"
#include "engine/base/backoff.h"
#include "engine/operations/reconcile.h"
#include "engine/postgres/session.h"
#include "engine/redis/client.h"

namespace flashclaim::consumer {

/// One thread, with connections of its own. Any number may run, in any processes: one of them works (it holds an
/// advisory lock of its PostgreSQL session), the others stand by. Two at once for a moment do no harm: a fix is a
/// compare-and-set.
class Reconciler {
 public:
  /// The references must outlive it.
  Reconciler(const Options& options, Metrics& metrics, Health& health, const Stop& stop);

  /// The thread's whole life, until the stop flag is set. About every mend_every_ms:
  ///   - reconciles with a fix every coupon in `coupon:issuing` that is marked suspect;
  ///   - does the same with what the patrol finds, a part of all coupons at a time;
  ///   - compares some of the others, in turn, for the drift in /metrics. If Redis still lacks an operation at the
  ///     second look, sends it to Redis: the process that began it has died.
  void run();

  /// One round of run(). An error says which service was away; the next round connects again.
  Result<void> round();

 private:
  Result<void> connect();
  Result<void> look_at_services();
  Result<void> look_at_rights();
  Result<bool> is_chosen();
  void resign();
  Error redis_away(const Error& error);
  Error postgres_away(const Error& error);
  Result<std::vector<std::int64_t>> suspects(const std::vector<std::int64_t>& coupons);
  Result<void> mend_numbers(std::int64_t coupon_id);
  Result<void> mend(std::int64_t coupon_id);
  void look_in_between();
  /// Logs, counts and skips a coupon with an error of its own. Returns the error when it is about a service, or when
  /// the stop flag is set: then the round ends.
  Result<void> pass_by(std::int64_t coupon_id, const Error& error);
  /// Logs once, until the trouble changes or ends.
  void name(std::int64_t coupon_id, const std::string& trouble, const std::string& remedy);
  void name_unfit_cut(std::int64_t coupon_id);
  bool stays_behind(const operations::ReconcileReport& report);
  Result<void> patrol(const std::vector<std::int64_t>& mended);
  Result<void> compare_in_turn(const std::vector<std::int64_t>& coupons);
  Result<void> judge(const operations::ReconcileReport& report, bool mending);
  Result<void> freeze(const operations::ReconcileReport& report);
  void forget_all_but(const std::vector<std::int64_t>& coupons);

  const Options& options_;
  Metrics& metrics_;
  Health& health_;
  const Stop& stop_;
  Backoff backoff_;
  std::optional<redis::Client> redis_;
  std::unique_ptr<postgres::Session> pg_;
  bool chosen_ = false;                              ///< this session holds the lock
  std::int64_t compared_ = 0;                        ///< the coupon compared last: the turn goes on after it
  std::int64_t patrolled_ = 0;                       ///< where the patrol goes on
  std::map<std::int64_t, std::int64_t> behind_;      ///< coupons whose Redis had not heard of this version yet
  std::set<std::int64_t> off_set_;                   ///< what the patrol found, until it finds it in order
  std::vector<std::int64_t> coupons_;                ///< of this round
  std::set<std::int64_t> numbers_mended_;            ///< in this round
  std::chrono::steady_clock::time_point looked_at_;  ///< for suspects, the last time
  std::map<std::int64_t, operations::ReconcileOutcome> known_;  ///< logged already, by coupon
  std::string rights_said_;                                     ///< of the last look
  std::map<std::int64_t, int> overloaded_;    ///< looks in a row that a service was too busy for, by coupon
  std::map<std::int64_t, std::string> sick_;  ///< what a person must see to, by coupon; logged already
};

}  // namespace flashclaim::consumer
