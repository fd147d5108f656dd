// The rules of the repairs in the plainest form: reconcile, rebuild, marks.
#include "tests/lua/model.h"
#include "tests/lua/model_parts.h"

namespace flashclaim {

// ---- reconcile

bool CouponModel::is_unmoved(std::int64_t of_epoch, std::int64_t seq) const {
  return !status.empty() && status != "loading" && of_epoch == *epoch && seq == fix_seq.value_or(0);
}

std::string CouponModel::fix(std::int64_t of_epoch, std::int64_t seq, std::int64_t seen, std::int64_t stock_delta,
                             std::int64_t inflight_delta) {
  if (!is_unmoved(of_epoch, seq) || !stock) {
    return "MOVED";
  }
  *stock += stock_delta;
  *inflight += inflight_delta;
  accepted_stock_drift_ += stock_delta;
  accepted_inflight_drift_ += inflight_delta;
  fix_seq = fix_seq.value_or(0) + 1;
  if (suspect.value_or(0) == seen) {
    suspect.reset();
  }
  return "FIXED";
}

std::string CouponModel::fix_users(std::int64_t of_epoch, std::int64_t seq, const UserNumbers& deltas) {
  if (!is_unmoved(of_epoch, seq)) {
    return "MOVED";
  }
  for (const auto& [user, delta] : deltas) {
    const auto held = counts.find(user);
    if ((held == counts.end() ? 0 : held->second) + delta < 0) {
      return "!ARGUMENT delta";
    }
  }
  for (const auto& [user, delta] : deltas) {
    accepted_count_drift_[user] += delta;
    if ((counts[user] += delta) == 0) {
      counts.erase(user);
    }
  }
  fix_seq = fix_seq.value_or(0) + 1;
  return "FIXED";
}

// ---- rebuild

std::string CouponModel::freeze() {
  if (!status.empty() || !entries.empty()) {
    status = "loading";
  }
  return "FROZEN " + number(std::ssize(entries));
}

std::string CouponModel::begin(std::int64_t to_epoch) {
  if (!status.empty() && status != "loading") {
    return "NOT_LOADING";
  }
  if (!entries.empty()) {
    return "NOT_DRAINED";
  }
  if (epoch && to_epoch <= *epoch) {
    return "EPOCH";
  }
  status = "loading";
  epoch = to_epoch;
  inflight = 0;
  fix_seq = fix_seq.value_or(0) + 1;
  suspect.reset();
  stock.reset();
  dead.clear();
  returned.clear();
  return "BEGUN";
}

std::string CouponModel::clear_users(std::int64_t of_epoch, const std::vector<std::int64_t>& users) {
  if (!is_loading(of_epoch)) {
    return "REFUSED";
  }
  for (const auto user : users) {
    counts.erase(user);
  }
  return "CLEARED";
}

std::string CouponModel::load_stock(std::int64_t of_epoch, std::int64_t units) {
  if (!is_loading(of_epoch)) {
    return "REFUSED";
  }
  stock = units;
  return "LOADED";
}

std::string CouponModel::load_users(std::int64_t of_epoch, const UserNumbers& held) {
  if (!is_loading(of_epoch)) {
    return "REFUSED";
  }
  for (const auto& [user, count] : held) {
    counts[user] = count;
  }
  return "LOADED";
}

std::string CouponModel::open(const ModelSettings& to) {
  if (!is_loading(to.epoch)) {
    return "REFUSED";
  }
  if (!stock) {
    return "NOT_READY";
  }
  take_over(to);
  stream = true;
  accept_drift();
  return "OPEN";
}

// ---- marks

std::string CouponModel::mark_dead(EntryId entry) {
  if (!entries.contains(entry)) {
    return "ABSENT";
  }
  dead.insert(entry);
  return "MARKED";
}

std::string CouponModel::mark_suspect() {
  if (status.empty()) {
    return "NO_COUPON";
  }
  suspect = suspect.value_or(0) + 1;
  return "MARKED";
}

}  // namespace flashclaim
