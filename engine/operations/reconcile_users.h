// The users' part of a reconcile: compares each count with what the user holds and has in flight.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/operations/flight.h"
#include "engine/operations/pace.h"
#include "engine/operations/reconcile.h"
#include "engine/redis/functions.h"

namespace flashclaim::operations {

/// One pass over all users of one coupon. One thread. The references must outlive it.
class UsersPass {
 public:
  /// `report` has coupon and epoch already; the pass fills in outcome and the users' fields.
  UsersPass(redis::Client& redis, postgres::Session& pg, const ReconcileOptions& options, const Pace& pace,
            ReconcileReport& report);

  Result<void> run();
  /// How many corrections were made: fixSeq rose by this number.
  [[nodiscard]] std::int64_t fixes() const { return fixes_; }

 private:
  /// One atomic look at some users.
  struct Look {
    std::int64_t fix_seq = 0;
    std::vector<UserDrift> drifts;
  };

  Result<std::vector<std::int64_t>> all_users();
  Result<void> add_database_users(std::vector<std::int64_t>& users);
  Result<void> chunk(std::span<const std::int64_t> users);
  Result<void> halves(std::span<const std::int64_t> users);
  Result<std::optional<Look>> look(std::span<const std::int64_t> users);
  Result<std::optional<redis::UserCounts>> counts(std::span<const std::int64_t> users, std::vector<EntryId>& entries,
                                                  std::vector<Flight::Claim>& known);
  void found(ReconcileOutcome outcome);
  void note(const std::vector<UserDrift>& drifts);

  redis::Client& redis_;
  postgres::Session& pg_;
  const ReconcileOptions& options_;
  const Pace& pace_;
  ReconcileReport& report_;
  Flight flight_;
  std::int64_t fixes_ = 0;
};

}  // namespace flashclaim::operations
