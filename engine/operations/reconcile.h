// Reconcile: finds and mends the exact difference between Redis and the database while the sale runs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"

namespace flashclaim::redis {
class Client;
}
namespace flashclaim::postgres {
class Session;
}

namespace flashclaim::operations {

using Progress = std::function<void(std::int64_t done, std::int64_t of)>;

struct ReconcileOptions {
  bool fix = false;
  bool users = true;                                  ///< also every user's count
  int user_chunk = 100;                               ///< users in one atomic call
  bool keep_marks = false;                            ///< with fix: suspect marks stay, whatever was mended
  const std::vector<std::int64_t>* strays = nullptr;  ///< more users to look at: a scan found their count keys, and
                                                      ///< neither the stream nor the database explains them
  Progress progress;                                  ///< users looked at; may be empty
  double redis_share = 0.2;                           ///< of Redis' time, for all its walks: a sale may be running
  std::function<void()> between;      ///< may be empty; called now and then, when neither session awaits an answer
  bool take_back_cuts = true;         ///< with fix: takes back a cut that never reached Redis and no longer fits
  std::function<bool()> interrupted;  ///< may be empty; true ends the pass with an error, and what was mended stays
};

struct UserDrift {
  std::int64_t user_id = 0;
  std::int64_t counted = 0;  ///< what Redis has
  std::int64_t expected = 0;
};

/// From harmless to grave.
enum class ReconcileOutcome {
  kExact,       ///< no difference
  kFixed,       ///< found and mended to the unit
  kDrift,       ///< a difference was found and left as it is (no fix asked for)
  kMoved,       ///< other fixers came between every time: a part of it was left to them; run again
  kRolledBack,  ///< the database holds entries above Redis' last id: Redis lost data, rebuild the coupon
  kNotLoaded,   ///< Redis does not hold the coupon, is loading it, or has another epoch: rebuild
  kNotFound,    ///< the database has no such coupon, or it was never published
};

struct ReconcileReport {
  std::int64_t coupon_id = 0;
  ReconcileOutcome outcome = ReconcileOutcome::kExact;
  std::int64_t epoch = 0;
  std::int64_t total = 0;  ///< Redis' totalNum at the snapshot
  std::int64_t stock = 0;
  std::int64_t in_flight = 0;       ///< claims in the stream
  bool inflight_known = true;       ///< false: a long stream lost entries while it was walked; inflight_drift is 0 then
  std::int64_t settled = 0;         ///< rows whose entry is not in flight
  std::int64_t suspect = 0;         ///< marks seen
  std::int64_t stock_drift = 0;     ///< stock + in_flight + settled - total: above 0 = phantom units
  std::int64_t inflight_drift = 0;  ///< the field `inflight` minus in_flight
  bool users_deferred = false;      ///< users with more than 500 entries in flight cannot be looked at in one moment:
                                    ///< the coupon stays suspect; run again when the backlog is settled
  bool state_behind = false;        ///< Redis does not have the database's last operation (it may be under way)
  bool cut_unfit = false;           ///< with fix, without take_back_cuts: that operation cuts more than is left
  std::int64_t version = 0;         ///< the database's
  std::string state_difference;     ///< in words: Redis has that operation, but another status or other terms
  std::vector<UserDrift> user_drifts;  ///< the first 1000
  std::int64_t users_checked = 0;
  std::int64_t users_drifting = 0;
};

/// One pass over one coupon. Exact at any time: claims, settlements, restocks and other fixers may run beside it. The
/// formula counts the entries in flight (from one atomic look, or from a walk and the log of returns), and the rows of
/// all other entries up to the last id. A fix applies only while epoch and fixSeq are those of the look. No call holds
/// Redis for longer than a few milliseconds, however much is in flight. Users are those of the stream and of the
/// database. With `fix`, the suspect mark is cleared if no new mark came meanwhile. Idempotent. Both sessions belong to
/// the calling thread.
Result<ReconcileReport> reconcile(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                                  const ReconcileOptions& options);

const char* word(ReconcileOutcome outcome);

}  // namespace flashclaim::operations
