// Rebuild: loads coupons into a Redis that lost its data, under a new epoch that fences off everything older.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/operations/reconcile.h"
#include "engine/operations/user_keys.h"

namespace flashclaim::operations {

struct RebuildOptions {
  std::chrono::milliseconds drain = std::chrono::seconds(60);  ///< how long to wait for an empty stream
  int user_chunk = 500;
  const UsersByCoupon* counted = nullptr;  ///< users with a count key, from one scan for several rebuilds; without it
                                           ///< each rebuild scans the keyspace. Claims since the scan do no harm: the
                                           ///< drain ends them, and their outcomes are loaded.
  Progress progress;                       ///< user counts loaded; may be empty
};

enum class RebuildOutcome {
  kOpen,         ///< loaded and answering again
  kNotFound,     ///< the database has no such coupon
  kNeverIssued,  ///< a draft, or purged (also meanwhile): nothing to load, and nothing is left of it in Redis
  kDeadLetters,  ///< dead letters hold reservations: `flashctl dlq replay` or `dlq reject` first. Frozen meanwhile.
  kNotDrained,   ///< entries still in flight after `drain`: is a consumer running? Frozen meanwhile; repeat.
  kRaced,        ///< another rebuild of the same coupon overtook this one and is responsible for it
};

struct RebuildReport {
  std::int64_t coupon_id = 0;
  RebuildOutcome outcome = RebuildOutcome::kOpen;
  std::int64_t epoch = 0;
  std::int64_t stock = 0;
  std::int64_t users = 0;
  std::int64_t entries_left = 0;
};

/// freeze -> drain -> epoch + 1 in the database -> clear -> load stock and counts -> open. Until it opens, claims
/// answer NOT_READY. May die at any point and be run again. Needs the Lua library loaded.
Result<RebuildReport> rebuild_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                                     const RebuildOptions& options = {});

/// The coupons that were issued and that Redis lacks after a loss (no hash, loading, no stock, or keys that cannot be
/// read).
Result<std::vector<std::int64_t>> coupons_to_rebuild(redis::Client& redis, postgres::Session& pg);

/// The same for one coupon: empty, or its id.
Result<std::vector<std::int64_t>> to_rebuild(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);

/// Sets the marker "everything is loaded" (unknown coupons answer 404 from now on) if coupons_to_rebuild is empty.
/// False: it is not empty, and the marker is not set.
Result<bool> mark_ready_if_complete(redis::Client& redis, postgres::Session& pg);

/// First start: sets the marker only when the database has no coupon that was ever published. False: it has one.
Result<bool> mark_ready_if_new(redis::Client& redis, postgres::Session& pg);

const char* word(RebuildOutcome outcome);

}  // namespace flashclaim::operations
