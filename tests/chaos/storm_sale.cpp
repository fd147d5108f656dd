// The coupons of a storm.
#include "tests/chaos/storm_sale.h"

#include <algorithm>

#include "tests/chaos/storm_log.h"

namespace flashclaim::chaos {
namespace {

void asked(std::vector<Term>& terms, std::int64_t value) { terms.push_back({value, wall_ms()}); }

/// Redis has this value now and no other.
void set(std::vector<Term>& terms, std::int64_t value) {
  const std::int64_t now = wall_ms();
  bool kept = false;
  for (auto term = terms.rbegin(); term != terms.rend(); ++term) {
    if (term->until_ms < now) continue;
    if (term->value == value && !kept) {
      kept = true;
    } else {
      term->until_ms = now;
    }
  }
}

}  // namespace

std::int64_t lowest(const std::vector<Term>& terms, std::int64_t from_ms, std::int64_t to_ms) {
  std::int64_t found = std::numeric_limits<std::int64_t>::max();
  for (const Term& term : terms) {
    if (term.since_ms <= to_ms && term.until_ms >= from_ms) found = std::min(found, term.value);
  }
  return found;
}

void Sale::open(const Coupon& coupon, std::int64_t total) {
  const std::lock_guard lock(mutex_);
  open_.push_back(coupon);
  terms_[coupon.id] = {{{total, 0}}, {{coupon.limit, 0}}};
}

void Sale::forget(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(open_, [id](const Coupon& coupon) { return coupon.id == id; });
}

std::vector<Sale::Coupon> Sale::coupons() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

std::vector<std::int64_t> Sale::ids() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::int64_t> all;
  for (const auto& [id, terms] : terms_) all.push_back(id);
  return all;
}

void Sale::total_asked(std::int64_t id, std::int64_t total) {
  const std::lock_guard lock(mutex_);
  asked(terms_[id].totals, total);
}
void Sale::total_set(std::int64_t id, std::int64_t total) {
  const std::lock_guard lock(mutex_);
  set(terms_[id].totals, total);
}
void Sale::limit_asked(std::int64_t id, std::int64_t limit) {
  const std::lock_guard lock(mutex_);
  asked(terms_[id].limits, limit);
}
void Sale::limit_set(std::int64_t id, std::int64_t limit) {
  const std::lock_guard lock(mutex_);
  set(terms_[id].limits, limit);
  for (Coupon& coupon : open_) {
    if (coupon.id == id) coupon.limit = limit;
  }
}

bool Sale::undecided(std::int64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto& totals = terms_.at(id).totals;
  return std::count_if(totals.begin(), totals.end(),
                       [](const Term& term) { return term.until_ms == std::numeric_limits<std::int64_t>::max(); }) > 1;
}

std::int64_t Sale::highest_total(std::int64_t id) const {
  const std::lock_guard lock(mutex_);
  std::int64_t highest = 0;
  for (const Term& term : terms_.at(id).totals) {
    if (term.until_ms == std::numeric_limits<std::int64_t>::max()) highest = std::max(highest, term.value);
  }
  return highest;
}

std::map<std::int64_t, Terms> Sale::terms() const {
  const std::lock_guard lock(mutex_);
  return terms_;
}

}  // namespace flashclaim::chaos
