// Follows the queue's numbers over time, and names the range of entries that is due to be published again.
#include "engine/mirror/loss.h"

#include <algorithm>

namespace flashclaim::mirror {
namespace {

EntryId after(EntryId entry) { return {entry.ms, entry.seq + 1}; }

}  // namespace

void LossJudge::look(const Depth& depth, Clock::time_point before, Clock::time_point after) {
  Coupon& coupon = coupons_[depth.coupon_id];
  // The probe stands until something above it is finished: in a long queue that takes a while.
  if (coupon.probed && depth.finished > coupon.probe) {
    left_ = std::max(left_, *coupon.probed);
    coupon.probed.reset();
  }
  if (depth.length == 0 || !depth.oldest || *depth.oldest > depth.last_read) {
    coupons_.erase(depth.coupon_id);
    return;
  }
  if (!coupon.probed) {
    coupon.probe = depth.last_read;
    coupon.probed = before;
  }
  coupon.oldest = *depth.oldest;
  if (coupon.oldest > coupon.swept) coupon.rounds = 0;
  // Entries that were published again must not delay the judgement of later ones.
  const bool waits = coupon.rounds > 0 && after < coupon.again && coupon.stand && coupon.stand->last <= coupon.swept;
  if (!coupon.stand || coupon.oldest > coupon.stand->last || (waits && depth.last_read > coupon.stand->last)) {
    coupon.stand = Stand{depth.last_read, {}, {}};
  } else if (!coupon.stand->confirmed) {
    coupon.stand->confirmed = after;
  } else if (!coupon.stand->passed && left_ > *coupon.stand->confirmed) {
    coupon.stand->passed = after;
  }
}

void LossJudge::hear(bool empty, bool consumed, Clock::time_point asked, Clock::time_point answered) {
  // RabbitMQ reports "no message, no consumer" for a queue whose leader it cannot reach: that proves nothing.
  if (!consumed) return deliveries_may_be_back(answered);
  consumed_ = answered;
  if (empty) left_ = std::max(left_, asked);
}

void LossJudge::deliveries_may_be_back(Clock::time_point now) {
  for (auto& [id, coupon] : coupons_) {
    coupon.probed.reset();
    if (!coupon.stand || !coupon.stand->confirmed) continue;
    coupon.stand->confirmed = now;
    coupon.stand->passed.reset();
  }
}

bool LossJudge::wants_to_hear() const {
  return std::any_of(coupons_.begin(), coupons_.end(),
                     [](const auto& item) { return item.second.stand && item.second.stand->confirmed; });
}

std::optional<Range> LossJudge::due(std::int64_t id, Clock::time_point now) const {
  const auto found = coupons_.find(id);
  if (found == coupons_.end() || !found->second.stand || !found->second.stand->passed) return std::nullopt;
  const Coupon& coupon = found->second;
  const Clock::time_point passed = *coupon.stand->passed;
  if (now - passed < patience_.grace || consumed_ <= passed) return std::nullopt;
  Range range{coupon.oldest, coupon.stand->last};
  if (coupon.rounds > 0 && now < coupon.again) range.first = std::max(range.first, after(coupon.swept));
  if (range.first > range.last) return std::nullopt;
  return range;
}

void LossJudge::swept(std::int64_t id, const Range& range, std::size_t published, Clock::time_point now) {
  Coupon& coupon = coupons_[id];
  coupon.stand.reset();
  if (published == 0) return;
  constexpr int kDoublingsMax = 20;
  coupon.swept = std::max(coupon.swept, range.last);
  coupon.rounds = std::min(coupon.rounds + 1, kDoublingsMax);
  coupon.again = now + std::min(patience_.grace * (1 << coupon.rounds), patience_.longest);
}

void LossJudge::begin_anew(std::int64_t coupon) { coupons_[coupon].stand.reset(); }

}  // namespace flashclaim::mirror
