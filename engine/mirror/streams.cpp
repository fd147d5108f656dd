// Keeps a bounded set of hot coupons, and a cursor that rotates over the cold ones.
#include "engine/mirror/streams.h"

#include <algorithm>

namespace flashclaim::mirror {

std::vector<std::int64_t> StreamSet::replace(const std::vector<std::int64_t>& coupons) {
  std::vector<std::int64_t> fresh;
  for (auto coupon : coupons)
    if (!known_.contains(coupon)) fresh.push_back(coupon);
  if (fresh.empty() && coupons.size() == all_.size()) return fresh;
  all_ = coupons;
  known_ = {coupons.begin(), coupons.end()};
  std::erase_if(hot_, [this](auto coupon) { return !known_.contains(coupon); });
  hot_known_ = {hot_.begin(), hot_.end()};
  std::erase_if(suspended_, [this](const auto& item) { return !known_.contains(item.first); });
  fill_hot();
  return fresh;
}

void StreamSet::fill_hot() {
  for (std::size_t i = 0; i < all_.size() && hot_.size() < kHotMax; ++i)
    if (hot_known_.insert(all_[i]).second) hot_.push_back(all_[i]);
}

bool StreamSet::readable(std::int64_t coupon) {
  auto found = suspended_.find(coupon);
  if (found == suspended_.end()) return true;
  if (Clock::now() < found->second) return false;
  suspended_.erase(found);
  return true;
}

std::vector<std::int64_t> StreamSet::hot() {
  std::vector<std::int64_t> out;
  for (auto coupon : hot_)
    if (readable(coupon)) out.push_back(coupon);
  return out;
}

std::vector<std::int64_t> StreamSet::next_cold(std::size_t max) {
  std::vector<std::int64_t> out;
  for (std::size_t seen = 0; seen < all_.size() && out.size() < max; ++seen) {
    auto coupon = all_[next_++ % all_.size()];
    if (!hot_known_.contains(coupon) && readable(coupon)) out.push_back(coupon);
  }
  return out;
}

void StreamSet::touch(std::int64_t coupon) {
  if (!known_.contains(coupon)) return;
  auto at = std::find(hot_.begin(), hot_.end(), coupon);
  if (at == hot_.end()) {
    if (hot_.size() >= kHotMax) {
      hot_known_.erase(hot_.back());
      hot_.pop_back();
    }
    hot_known_.insert(coupon);
    at = hot_.insert(hot_.end(), coupon);
  }
  std::rotate(hot_.begin(), at, at + 1);
}

void StreamSet::suspend(std::int64_t coupon, std::chrono::milliseconds pause) {
  suspended_[coupon] = Clock::now() + pause;
}

}  // namespace flashclaim::mirror
