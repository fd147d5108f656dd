// Sends a batch of claims to the SQL function settle_claims, which decides them, and returns one outcome per claim.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/postgres/session.h"

namespace flashclaim::postgres {

/// At most this many claims go into one call (the SQL function refuses more with 22023).
inline constexpr std::size_t kSettleClaimsMax = 10'000;

struct SettleClaim {
  std::int64_t coupon_id = 0;
  std::int64_t epoch = 0;
  EntryId entry;
  int index = 0;
  std::int64_t user_id = 0;
};

/// The words of the SQL function, in its order of judgement.
enum class Outcome {
  kSettled,        ///< a row was written by this call
  kReplayed,       ///< it was settled before (or earlier in this batch): the row is there
  kOverLimit,      ///< the user holds user_limit rows already
  kOutOfStock,     ///< issue_num has reached total_num
  kStaleEpoch,     ///< the claim belongs to another epoch than the coupon's
  kUnknownCoupon,  ///< no such coupon (or purged)
  kIdConflict,     ///< this claim id is known with another user: nothing recorded, dead-letter the message unfinished
  kRejected,       ///< refused by a person (SettleMode::kReject)
};
std::string_view word(Outcome outcome);
std::optional<Outcome> parse_outcome(std::string_view word);
/// True when the claim has its row: settled or replayed.
constexpr bool is_settled(Outcome outcome) { return outcome == Outcome::kSettled || outcome == Outcome::kReplayed; }
/// True when a refusal stands in claim_rejection (or the coupon is purged), so that finish may return the stock.
/// Neither settled nor refused: id_conflict.
constexpr bool is_refused(Outcome outcome) { return !is_settled(outcome) && outcome != Outcome::kIdConflict; }

struct Settled {
  Outcome outcome = Outcome::kSettled;
  bool fresh =
      false;  ///< this call decided it: false for anything decided before, and for a duplicate later in the batch
};

enum class SettleMode {
  kSettle,
  kReject,  ///< claims without an outcome get `rejected`; known ones keep theirs: the first outcome wins
};

/// One round trip, one autocommit statement. `outcomes[i]` belongs to `claims[i]`. Claims of any coupons and entries in
/// any order; duplicates are allowed. A repetition with the same claims gives the same answer (replayed instead of
/// settled, fresh = false). On error nothing was decided; only after kUnknown it may have been: ask again. kData: at
/// least one claim is malformed (a non-positive id): ask claim by claim to find it.
SqlResult<std::vector<Settled>> settle_claims(Session& session, std::span<const SettleClaim> claims,
                                              SettleMode mode = SettleMode::kSettle);

}  // namespace flashclaim::postgres
