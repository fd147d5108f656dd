// Reads what was settled and refused: for reconcile, rebuild, the invariant checker and the lookup of one claim.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/ids.h"
#include "engine/postgres/session.h"
#include "engine/postgres/settle.h"

namespace flashclaim::postgres {

/// The stream as Redis' snapshot had it, so that no claim is counted both in Redis and in the database.
struct StreamCut {
  std::int64_t epoch = 0;           ///< Redis' epoch of the coupon
  EntryId last;                     ///< L: the last id that the stream generated
  std::span<const EntryId> flying;  ///< F: the entries that are in the stream (counted there, so not here)
};

struct ReconcileRows {
  /// Rows of earlier epochs, and those of the snapshot's epoch with an entry <= L and not in F.
  std::int64_t rows = 0;
  std::int64_t epoch = 0;    ///< the database's epoch of the coupon; another than Redis': no reconcile, a rebuild
  std::int64_t version = 0;  ///< the database's version
  std::int64_t target_total = 0;
  /// The highest entry of the snapshot's epoch that settled or was refused. If it is above L, Redis rolled back:
  /// rebuild.
  std::optional<EntryId> highest;
};
/// One statement, one snapshot. nullopt: no such coupon. The cost grows with the entries in flight, not with the
/// settled rows.
SqlResult<std::optional<ReconcileRows>> reconcile_rows(Session& session, std::int64_t coupon_id, const StreamCut& cut);

/// The same formula per user: result[i] belongs to users[i]. Chunks of a few thousand users.
SqlResult<std::vector<std::int64_t>> reconcile_user_rows(Session& session, std::int64_t coupon_id, const StreamCut& cut,
                                                         std::span<const std::int64_t> users);

/// The highest entry of that epoch with an outcome, settled or refused.
SqlResult<std::optional<EntryId>> highest_entry(Session& session, std::int64_t coupon_id, std::int64_t epoch);

/// True when this session is the reconciler: an advisory lock of the session, one in the whole database, until it
/// closes.
SqlResult<bool> become_reconciler(Session& session);

struct UserCount {
  std::int64_t user_id = 0;
  std::int64_t count = 0;
};
/// The settled claims per user, in user order, users above `after_user`, at most `limit` users: pages for a rebuild.
SqlResult<std::vector<UserCount>> user_counts(Session& session, std::int64_t coupon_id, std::int64_t after_user,
                                              int limit);

struct RefusedClaim {
  ClaimId id;
  std::int64_t user_id = 0;
};
/// The recorded refusals of a coupon in claim id order, above `after`, at most `limit`.
SqlResult<std::vector<RefusedClaim>> refused_claims(Session& session, const ClaimId& after, int limit);

/// Counted row by row (not from issue_num), for the invariant checker.
struct CouponCounts {
  std::int64_t rows = 0;
  std::int64_t issue_num = 0;
  std::int64_t total_num = 0;
  std::int64_t users = 0;  ///< different users with a row
  std::int64_t max_per_user = 0;
  std::int64_t over_limit_users = 0;  ///< users with more rows than user_limit
  std::int64_t rejections = 0;
  std::int64_t both = 0;  ///< claim ids with a row and a refusal: must be 0 (INV-3)
};
SqlResult<std::optional<CouponCounts>> coupon_counts(Session& session, std::int64_t coupon_id);

struct KnownClaim {
  ClaimId id;
  std::int64_t user_id = 0;
  std::optional<Outcome> refusal;  ///< nullopt: settled
  std::int64_t decided_at_ms = 0;
};
/// nullopt: no outcome (yet).
SqlResult<std::optional<KnownClaim>> find_claim(Session& session, const ClaimId& id);
/// result[i] belongs to ids[i]; one statement, a few thousand ids at most.
SqlResult<std::vector<std::optional<KnownClaim>>> find_claims(Session& session, std::span<const ClaimId> ids);
/// The claims of a coupon that have an outcome, settled and refused, in claim id order, above `after`, at most `limit`.
SqlResult<std::vector<KnownClaim>> list_claims(Session& session, const ClaimId& after, int limit);

}  // namespace flashclaim::postgres
