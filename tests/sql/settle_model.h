// What settle_claims must answer, written as plainly as possible: one claim after the other over maps.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "engine/postgres/settle.h"

namespace flashclaim::postgres {

/// The model of a database: coupons, rows and refusals. It knows nothing of sets, windows or savepoints.
class SettleModel {
 public:
  struct Coupon {
    std::int64_t total = 0;
    std::int64_t user_limit = 0;
    std::int64_t epoch = 1;
    std::int64_t issued = 0;
    bool purged = false;
  };
  struct Known {
    std::int64_t user_id = 0;
    Outcome outcome = Outcome::kSettled;
  };
  std::map<std::int64_t, Coupon> coupons;
  std::map<ClaimId, Known> known;

  std::vector<Settled> settle(std::span<const SettleClaim> claims, SettleMode mode) {
    std::vector<Settled> answers(claims.size());
    std::vector<std::size_t> open;
    std::map<ClaimId, std::int64_t> owners;  // of the claims without an outcome: the first of the batch
    for (std::size_t i = 0; i < claims.size(); ++i)
      if (!known.contains(id(claims[i])) && owners.emplace(id(claims[i]), claims[i].user_id).second) open.push_back(i);
    std::sort(open.begin(), open.end(), [&](std::size_t a, std::size_t b) {
      return std::tuple(claims[a].entry, claims[a].index) < std::tuple(claims[b].entry, claims[b].index);
    });
    std::set<std::size_t> fresh;
    std::map<ClaimId, Outcome> forgotten;  // what is answered for a purged coupon, and not recorded
    for (std::size_t i : open) {
      const Outcome outcome = judge(claims[i], mode);
      if (auto c = coupons.find(claims[i].coupon_id); c != coupons.end() && c->second.purged) {
        forgotten[id(claims[i])] = outcome;
        continue;
      }
      known[id(claims[i])] = {claims[i].user_id, outcome};
      fresh.insert(i);
    }
    for (std::size_t i = 0; i < claims.size(); ++i)
      answers[i] = answer(claims[i], fresh.contains(i), owners, forgotten);
    return answers;
  }

  std::int64_t rows_of(std::int64_t coupon_id, std::int64_t user_id) const {
    return std::count_if(known.begin(), known.end(), [&](const auto& k) {
      return k.first.coupon_id == coupon_id && k.second.user_id == user_id && k.second.outcome == Outcome::kSettled;
    });
  }

 private:
  static ClaimId id(const SettleClaim& c) { return {c.coupon_id, c.epoch, c.entry, c.index}; }

  Outcome judge(const SettleClaim& claim, SettleMode mode) {
    if (mode == SettleMode::kReject) return Outcome::kRejected;
    auto found = coupons.find(claim.coupon_id);
    if (found == coupons.end() || found->second.purged) return Outcome::kUnknownCoupon;
    Coupon& coupon = found->second;
    if (claim.epoch != coupon.epoch) return Outcome::kStaleEpoch;
    if (coupon.issued >= coupon.total) return Outcome::kOutOfStock;
    if (rows_of(claim.coupon_id, claim.user_id) >= coupon.user_limit) return Outcome::kOverLimit;
    ++coupon.issued;
    return Outcome::kSettled;
  }

  Settled answer(const SettleClaim& claim, bool fresh, const std::map<ClaimId, std::int64_t>& owners,
                 const std::map<ClaimId, Outcome>& forgotten) const {
    if (auto f = forgotten.find(id(claim)); f != forgotten.end())
      return {owners.at(id(claim)) == claim.user_id ? f->second : Outcome::kIdConflict, false};
    const Known& k = known.at(id(claim));
    if (k.user_id != claim.user_id) return {Outcome::kIdConflict, false};
    if (k.outcome == Outcome::kSettled && !fresh) return {Outcome::kReplayed, false};
    return {k.outcome, fresh};
  }
};

}  // namespace flashclaim::postgres
