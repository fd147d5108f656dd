// The coupons whose streams are read: the few hot ones (recently active) all the time, the many cold ones in turn.
#pragma once

#include <chrono>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace flashclaim::mirror {

/// One thread. Thousands of quiet coupons must not make each read costly: hot() is bounded by kHotMax, cold ones
/// rotate.
class StreamSet {
 public:
  static constexpr std::size_t kHotMax = 64;
  using Clock = std::chrono::steady_clock;

  /// The ids of coupon:issuing. Returns those that were not there before.
  std::vector<std::int64_t> replace(const std::vector<std::int64_t>& coupons);
  [[nodiscard]] std::size_t size() const { return all_.size(); }
  [[nodiscard]] bool contains(std::int64_t coupon) const { return known_.contains(coupon); }
  [[nodiscard]] const std::vector<std::int64_t>& all() const { return all_; }

  /// At most kHotMax, the most recently active first. With no more coupons than that: all of them.
  std::vector<std::int64_t> hot();
  /// The next `max` of the others, in turn; each at most once.
  std::vector<std::int64_t> next_cold(std::size_t max);
  [[nodiscard]] std::size_t cold_size() const { return all_.size() - hot_.size(); }
  /// An entry of this coupon was just read.
  void touch(std::int64_t coupon);
  /// This coupon's stream cannot be read (a damaged key): leave it out for `pause`.
  void suspend(std::int64_t coupon, std::chrono::milliseconds pause);

 private:
  [[nodiscard]] bool readable(std::int64_t coupon);
  void fill_hot();

  std::vector<std::int64_t> all_;
  std::unordered_set<std::int64_t> known_;
  std::vector<std::int64_t> hot_;
  std::unordered_set<std::int64_t> hot_known_;
  std::size_t next_ = 0;  // of all_, for the rotation
  std::unordered_map<std::int64_t, Clock::time_point> suspended_;
};

}  // namespace flashclaim::mirror
