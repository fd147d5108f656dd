// The invariants of one coupon: read what the stores hold, then judge it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/operations/checker.h"
#include "engine/postgres/coupons.h"
#include "engine/postgres/ledger.h"
#include "engine/redis/functions.h"

namespace flashclaim::operations {

/// What clients reported about one coupon.
struct Reported {
  std::map<ClaimId, std::int64_t> acknowledged;  ///< claim -> user
  std::vector<ReportedRefusal> told;
};

/// Reads Redis first, then the database: an entry leaves the stream only after its outcome is in the database, so a
/// claim that is in neither is lost, even while the sale runs.
class CouponCheck {
 public:
  /// `counted`: the users that have a count key in Redis (at rest only). Everything given must outlive the check.
  CouponCheck(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id, const CheckOptions& options,
              const Reported& reported, const std::vector<std::int64_t>& counted, CheckReport& report);
  /// Appends to the report. On error the stores could not be read, and nothing is judged.
  Result<void> run();

 private:
  Result<void> read_redis();
  Result<void> read_database();
  Result<void> read_view();
  Result<void> read_counts();
  Result<void> read_claims();
  Result<void> read_lowest_terms();

  void judge_total();         // INV-1
  void judge_limits();        // INV-2
  void judge_outcomes();      // INV-3, over all claims
  void judge_acknowledged();  // INV-3, against what clients read
  void judge_rest();          // INV-4
  void judge_user_counts();
  void judge_refusals();  // INV-5

  void violation(int invariant, std::int64_t count, std::string text);

  redis::Client& redis_;
  postgres::Session& pg_;
  const std::int64_t id_;
  const CheckOptions& options_;
  const Reported& reported_;
  const std::vector<std::int64_t>& counted_;
  CheckReport& report_;

  std::optional<redis::Counters> snapshot_;
  std::optional<redis::CouponView> view_;                ///< at rest, when Redis shows it
  bool has_hash_ = false;                                ///< at rest: Redis holds something of it
  std::map<EntryId, std::vector<std::int64_t>> flying_;  ///< users by entry in the stream
  std::set<EntryId> dead_;
  std::unordered_map<std::int64_t, std::int64_t> redis_counts_;

  std::optional<postgres::CouponState> state_;
  postgres::CouponCounts counts_;
  std::vector<postgres::KnownClaim> claims_;                   ///< in claim id order
  std::unordered_map<std::int64_t, std::int64_t> settled_by_;  ///< user -> rows
  std::unordered_map<std::int64_t, std::int64_t> refused_by_;  ///< user -> refusals
  std::int64_t settled_ = 0;
  std::int64_t lost_ = 0;
  std::int64_t lowest_total_ = 0;  ///< the smallest that the coupon ever had
  std::int64_t lowest_limit_ = 0;
};

}  // namespace flashclaim::operations
