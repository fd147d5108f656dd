// Reconcile: the exact difference between Redis and the database, found and mended while the sale runs.
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

namespace flashclaim::admin {

using Progress = std::function<void(std::int64_t done, std::int64_t of)>;

struct ReconcileOptions {
  bool fix = false;
  bool users = true;                  ///< also every user's count
  int user_chunk = 500;               ///< users in one atomic call
  Progress progress;                  ///< users looked at; may be empty
  double redis_share = 0.2;           ///< of Redis' time, while it looks at users: a sale may be running
  bool take_back_cuts = true;         ///< with fix: a cut that Redis never heard of and that does not fit any more
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
  std::int64_t settled = 0;         ///< rows whose entry is not in flight
  std::int64_t suspect = 0;         ///< marks seen
  std::int64_t stock_drift = 0;     ///< stock + in_flight + settled - total: above 0 = phantom units
  std::int64_t inflight_drift = 0;  ///< the field `inflight` minus in_flight
  bool users_deferred = false;      ///< too much in flight to look at single users (it would hold up Redis): the coupon
                                    ///< stays suspect; run again when the backlog is settled
  bool state_behind = false;        ///< Redis has not heard of the database's last operation (it may be under way)
  std::string state_difference;     ///< Redis heard of that operation and has another status or other terms: in words
  std::vector<UserDrift> user_drifts;  ///< the first 1000
  std::int64_t users_checked = 0;
  std::int64_t users_drifting = 0;
};

/// One pass over one coupon. Exact at any time: claims, settlements, restocks and other fixers may run beside it (the
/// formula counts entries in flight from one atomic snapshot and rows of all other entries up to its last id; a fix
/// applies only while epoch and fixSeq are those of the snapshot). With `fix`, a mark of suspicion is cleared if no
/// other came meanwhile. Idempotent. Both sessions belong to the calling thread.
Result<ReconcileReport> reconcile(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                                  const ReconcileOptions& options);

const char* word(ReconcileOutcome outcome);

}  // namespace flashclaim::admin
