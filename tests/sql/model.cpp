// The rules of the database once more, in the plainest form.
#include "tests/sql/model.h"

#include <algorithm>

namespace flashclaim::postgres {
namespace {

ClaimId id_of(const SettleClaim& c) { return {c.coupon_id, c.epoch, c.entry, c.index}; }

std::string number(std::int64_t n) { return std::to_string(n); }

}  // namespace

// ---- settle_claims

std::vector<Settled> DatabaseModel::settle(std::span<const SettleClaim> claims, SettleMode mode) {
  std::vector<std::size_t> open;
  std::map<ClaimId, std::int64_t> owners;  // of the claims without an outcome: the first of the batch
  for (std::size_t i = 0; i < claims.size(); ++i)
    if (!known.contains(id_of(claims[i])) && owners.emplace(id_of(claims[i]), claims[i].user_id).second)
      open.push_back(i);
  std::sort(open.begin(), open.end(), [&](std::size_t a, std::size_t b) {
    return std::tuple(claims[a].entry, claims[a].index) < std::tuple(claims[b].entry, claims[b].index);
  });
  std::set<std::size_t> fresh;
  std::map<ClaimId, Outcome> forgotten;  // what is answered for a purged coupon, and not recorded
  for (std::size_t i : open) {
    const Outcome outcome = judge(claims[i], mode);
    if (is_purged(claims[i].coupon_id)) {
      forgotten[id_of(claims[i])] = outcome;
      continue;
    }
    const auto nth = rows_of(claims[i].coupon_id, claims[i].user_id) + 1;
    known[id_of(claims[i])] = {claims[i].user_id, outcome, outcome == Outcome::kSettled ? static_cast<int>(nth) : 0};
    fresh.insert(i);
  }
  std::vector<Settled> answers;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const auto id = id_of(claims[i]);
    const auto gone = forgotten.find(id);
    const Known found = gone == forgotten.end() ? known.at(id) : Known{owners.at(id), gone->second, 0};
    if (found.user_id != claims[i].user_id)
      answers.push_back({Outcome::kIdConflict, false});
    else if (found.outcome == Outcome::kSettled && !fresh.contains(i))
      answers.push_back({Outcome::kReplayed, false});
    else
      answers.push_back({found.outcome, fresh.contains(i)});
  }
  return answers;
}

Outcome DatabaseModel::judge(const SettleClaim& claim, SettleMode mode) {
  if (mode == SettleMode::kReject) return Outcome::kRejected;
  CouponState* coupon = living(claim.coupon_id);
  if (!coupon) return Outcome::kUnknownCoupon;
  if (claim.epoch != coupon->epoch) return Outcome::kStaleEpoch;
  if (coupon->issue_num >= coupon->total_num) return Outcome::kOutOfStock;
  if (rows_of(claim.coupon_id, claim.user_id) >= coupon->user_limit) return Outcome::kOverLimit;
  ++coupon->issue_num;
  return Outcome::kSettled;
}

std::int64_t DatabaseModel::rows_of(std::int64_t coupon_id, std::int64_t user_id) const {
  return std::count_if(known.begin(), known.end(), [&](const auto& k) {
    return k.first.coupon_id == coupon_id && k.second.user_id == user_id && k.second.outcome == Outcome::kSettled;
  });
}

CouponState* DatabaseModel::living(std::int64_t id) {
  const auto found = coupons.find(id);
  return found == coupons.end() || found->second.status == CouponStatus::kPurged ? nullptr : &found->second;
}

bool DatabaseModel::is_purged(std::int64_t id) const {
  const auto found = coupons.find(id);
  return found != coupons.end() && found->second.status == CouponStatus::kPurged;
}

// ---- operations

std::string DatabaseModel::create(const NewCoupon& c) {
  if (c.total_num < 1 || c.user_limit < 1 || c.begin_ms >= c.end_ms) return "data";
  if (const auto found = coupons.find(c.id); found != coupons.end()) {
    const auto& s = found->second;
    const bool same = s.name == c.name && s.target_total == c.total_num && s.user_limit == c.user_limit &&
                      s.begin_ms == c.begin_ms && s.end_ms == c.end_ms && s.max_inflight == c.max_inflight;
    return same && s.status != CouponStatus::kPurged ? "unchanged" : "exists";
  }
  coupons[c.id] = {c.id,       c.name,   CouponStatus::kDraft, 1, 1, 0, c.total_num, c.total_num, 0, c.user_limit,
                   c.begin_ms, c.end_ms, c.max_inflight};
  return "applied";
}

std::string DatabaseModel::operate(std::int64_t id, Operation operation) {
  using S = CouponStatus;
  CouponState* c = living(id);
  if (!c) return "not_found";
  const S next = operation == Operation::kPause ? S::kPaused : operation == Operation::kEnd ? S::kEnded : S::kIssuing;
  if (c->status == next) return "unchanged";
  const bool allowed = operation == Operation::kPublish  ? c->status == S::kDraft
                       : operation == Operation::kPause  ? c->status == S::kIssuing
                       : operation == Operation::kResume ? c->status == S::kPaused
                                                         : true;
  if (!allowed) return "wrong_status";
  c->status = next;
  ++c->version;
  if (operation == Operation::kPublish) c->publish_version = c->version;
  return "applied";
}

std::string DatabaseModel::update(std::int64_t id, const CouponChanges& to) {
  CouponState* c = living(id);
  if (!c) return "not_found";
  const bool draft = c->status == CouponStatus::kDraft && c->issue_num == 0;
  const bool same = to.total.value_or(c->target_total) == c->target_total &&
                    to.user_limit.value_or(c->user_limit) == c->user_limit &&
                    to.end_ms.value_or(c->end_ms) == c->end_ms;
  if (same) return "unchanged";
  const bool takes_a_cut_back = to.total == c->total_num && !to.user_limit && !to.end_ms;
  if (c->status == CouponStatus::kEnded && !takes_a_cut_back) return "wrong_status";
  if (to.total && *to.total < c->issue_num) return "below_issued";
  if (!draft && (to.user_limit.value_or(c->user_limit) < c->user_limit || to.end_ms.value_or(c->end_ms) < c->end_ms))
    return "shrinks";
  if (to.total.value_or(1) < 1 || to.user_limit.value_or(1) < 1 || to.end_ms.value_or(c->end_ms) <= c->begin_ms)
    return "data";
  if (to.total) {
    c->target_total = *to.total;
    c->total_num = draft ? *to.total : std::max(c->total_num, *to.total);
  }
  c->user_limit = to.user_limit.value_or(c->user_limit);
  c->end_ms = to.end_ms.value_or(c->end_ms);
  ++c->version;
  return "applied";
}

std::string DatabaseModel::complete_cut(std::int64_t id, std::int64_t version) {
  CouponState* c = living(id);
  if (!c) return "not_found";
  if (c->target_total == c->total_num) return "unchanged";
  if (c->version != version) return "moved";
  if (c->issue_num > c->target_total) return "below_issued";
  c->total_num = c->target_total;
  ++c->version;
  return "applied";
}

std::string DatabaseModel::begin_rebuild(std::int64_t id) {
  CouponState* c = living(id);
  if (!c) return "not_found";
  if (c->publish_version == 0) return "wrong_status";
  ++c->epoch;
  ++c->version;
  return "applied";
}

std::string DatabaseModel::purge(std::int64_t id) {
  const auto found = coupons.find(id);
  if (found == coupons.end()) return "not_found";
  auto& c = found->second;
  if (c.status == CouponStatus::kPurged) return "unchanged";
  if (c.status != CouponStatus::kEnded) return "wrong_status";
  c.status = CouponStatus::kPurged;
  ++c.version;
  std::erase_if(known, [&](const auto& k) { return k.first.coupon_id == id; });
  return "applied";
}

// ---- the books

std::string DatabaseModel::books(std::int64_t id) const {
  std::string text = "-";
  if (const auto found = coupons.find(id); found != coupons.end()) {
    const auto& c = found->second;
    text = std::string(word(c.status)) + " " + number(c.epoch) + " " + number(c.version) + " " +
           number(c.publish_version) + " " + number(c.total_num) + " " + number(c.target_total) + " " +
           number(c.issue_num) + " " + number(c.user_limit) + " " + number(c.end_ms) + " " + number(c.version);
  }
  std::string rows, refusals;
  for (const auto& [claim, k] : known) {
    if (claim.coupon_id != id) continue;
    const auto name = " " + number(claim.epoch) + "-" + claim.entry.text() + "-" + number(claim.index) + ":" +
                      number(k.user_id) + ":";
    if (k.outcome == Outcome::kSettled)
      rows += name + number(k.ordinal);
    else
      refusals += name + std::string(word(k.outcome));
  }
  return text + " |" + rows + " |" + refusals;
}

std::string DatabaseModel::violated(std::int64_t id) const {
  std::map<std::int64_t, std::int64_t> held;
  std::int64_t rows = 0;
  for (const auto& [claim, k] : known)
    if (claim.coupon_id == id && k.outcome == Outcome::kSettled) {
      ++rows;
      ++held[k.user_id];
    }
  const auto found = coupons.find(id);
  if (found == coupons.end()) return rows == 0 ? "" : "rows of an unknown coupon";
  const auto& c = found->second;
  if (c.status == CouponStatus::kPurged) return rows == 0 ? "" : "rows of a purged coupon";
  if (rows != c.issue_num || rows > c.total_num) return "INV-1: " + number(rows) + " rows";
  for (const auto& [user, n] : held)
    if (n > c.user_limit) return "INV-2: user " + number(user);
  return "";
}

}  // namespace flashclaim::postgres
