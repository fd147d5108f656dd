// A pure model of the database: coupons, rows, refusals; every rule written as plainly as possible, one claim after the
// other. What settle_claims and the operations on coupons must agree with.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/postgres/coupons.h"
#include "engine/postgres/settle.h"

namespace flashclaim::postgres {

class DatabaseModel {
 public:
  struct Known {
    std::int64_t user_id = 0;
    Outcome outcome = Outcome::kSettled;
    int ordinal = 0;  ///< the user's nth row, from 1; 0 for a refusal
  };

  std::vector<Settled> settle(std::span<const SettleClaim> claims, SettleMode mode);

  // The verdict's word, or `data` where a named CHECK constraint refuses the values.
  std::string create(const NewCoupon& coupon);
  std::string operate(std::int64_t id, Operation operation);
  std::string update(std::int64_t id, const CouponChanges& changes);
  std::string complete_cut(std::int64_t id, std::int64_t version);
  std::string begin_rebuild(std::int64_t id);
  std::string purge(std::int64_t id);

  /// The coupon, its rows and refusals, as kBooks in model_test.cpp reads them; "" for an unknown coupon without any.
  [[nodiscard]] std::string books(std::int64_t id) const;
  /// INV-1 and INV-2 of the coupon; "" when they hold.
  [[nodiscard]] std::string violated(std::int64_t id) const;
  [[nodiscard]] std::int64_t rows_of(std::int64_t coupon_id, std::int64_t user_id) const;

  std::map<std::int64_t, CouponState> coupons;
  std::map<ClaimId, Known> known;

 private:
  Outcome judge(const SettleClaim& claim, SettleMode mode);
  CouponState* living(std::int64_t id);
  [[nodiscard]] bool is_purged(std::int64_t id) const;
};

}  // namespace flashclaim::postgres
