// What the mirror does for every coupon from time to time: reads its depth, takes over what other mirrors left, finds
// lost messages. See impl.h.
#include <algorithm>

#include "engine/base/log_repeated.h"
#include "engine/base/try.h"
#include "engine/mirror/impl.h"
#include "engine/redis/functions.h"

namespace flashclaim::mirror {
namespace {

constexpr int kUpkeepEveryMs = 50;
constexpr std::size_t kLooksMax = 64;      // coupons of one call
constexpr std::size_t kTakeOverMax = 100;  // entries of one XAUTOCLAIM
constexpr std::size_t kDamagedMax = 100000;

}  // namespace

Result<void> Mirror::Impl::upkeep_if_due() {
  auto now = Clock::now();
  if (now < upkeep_at_) return {};
  upkeep_at_ = now + std::chrono::milliseconds(kUpkeepEveryMs);
  if (to_look_at_.empty()) {
    if (now < look_round_at_) return {};
    auto round_ms = std::clamp(options_.republish_after_ms / 4, 100, 5000);
    look_round_at_ = now + std::chrono::milliseconds(round_ms);
    ++look_rounds_;
    to_look_at_.assign(streams_.all().begin(), streams_.all().end());
    std::erase_if(still_, [this](const auto& item) { return !streams_.contains(item.first); });
    std::erase_if(depths_, [this](const auto& item) { return !streams_.contains(item.first); });
    republisher_.judge().forget_if([this](auto coupon) { return !streams_.contains(coupon); });
    look_at_queue();
  }
  std::vector<std::int64_t> coupons;
  for (; !to_look_at_.empty() && coupons.size() < kLooksMax; to_look_at_.pop_front())
    if (streams_.contains(to_look_at_.front())) coupons.push_back(to_look_at_.front());
  return look_at(coupons);
}

Result<void> Mirror::Impl::look_at(const std::vector<std::int64_t>& coupons) {
  if (!coupons.empty()) {
    const auto before = Clock::now();
    auto depths = TRY(redis_->reader.depths(coupons));
    for (const Depth& depth : depths) TRY(look_after(depth, before));
  }
  now_.backlog = now_.unfinished = 0;
  for (const auto& [coupon, depth] : depths_) {
    now_.backlog += depth.pending + depth.unread;
    now_.unfinished += depth.length;
  }
  return {};
}

/// Only when an entry was unfinished in two looks: a queue that keeps up with its publishers is never asked.
void Mirror::Impl::look_at_queue() {
  if (!publisher_.connected() || !republisher_.judge().wants_to_hear()) return watch_.close();
  const auto asked = Clock::now();
  if (auto state = watch_.ask())
    republisher_.judge().hear(state->messages == 0, state->consumers > 0, asked, Clock::now());
}

Result<void> Mirror::Impl::look_after(const Depth& depth, Clock::time_point before) {
  depths_[depth.coupon_id] = depth;
  // Of many quiet coupons only an eighth is asked each round whether it is over.
  bool ask = streams_.size() <= kLooksMax || (static_cast<std::uint64_t>(depth.coupon_id) + look_rounds_) % 8 == 0;
  if (depth.length == 0 && ask) {
    auto retired = redis::retire_coupon(redis_->client, depth.coupon_id);
    if (!retired && !redis_->client.connected()) return retired.error();
    if (retired && *retired) log_repeated(LogLevel::kInfo, "mirror", "coupon_retired", {{"coupon", depth.coupon_id}});
  }
  // A damaged entry may have been damaged only on its way here: it is read once more in each round.
  const auto of_this = [&](const EntryKey& key) { return key.coupon_id == depth.coupon_id; };
  if (depth.pending > 0 && std::any_of(damaged_.begin(), damaged_.end(), of_this)) recovering_[depth.coupon_id] = {};
  if (publisher_.room() == 0) return {};
  if (depth.pending > 0) {
    TRY(take_over_idle(depth.coupon_id));
    TRY(take_over_still(depth));
  } else {
    still_.erase(depth.coupon_id);
  }
  return republisher_.consider(redis_->client, depth, before);
}

Result<void> Mirror::Impl::take_over_idle(std::int64_t coupon) {
  Position from{coupon, {}};
  do {
    EntryId next;
    auto reading = TRY(redis_->reader.take_over(from, options_.idle_claim_ms, kTakeOverMax, next));
    for (const Seen& seen : reading.entries)
      if (seen.message && !in_hand_.contains({coupon, seen.entry})) ++now_.taken_over;
    take(std::move(reading));
    from.after = next;
  } while (from.after != EntryId{} && ready_.size() < options_.window);
  return {};
}

/// Redis measures idle times by its wall clock: an entry that was read while that clock was ahead does not become idle
/// until the clock is there again. So this mirror uses its own clock, which only goes forward: a consumer whose oldest
/// entry stays the same for as long has given up what it read.
Result<void> Mirror::Impl::take_over_still(const Depth& depth) {
  auto others = TRY(redis_->reader.of_others(depth.coupon_id));
  std::map<std::string, Still> now_still;
  const auto now = Clock::now();
  for (const Unacknowledged& other : others) {
    Still& still = now_still[other.consumer];
    still = still_[depth.coupon_id][other.consumer];
    const bool judged = still.until != EntryId{} && other.oldest <= still.until;
    const bool same = still.oldest == other.oldest && still.deliveries == other.deliveries;
    if (!judged && !same) still = {other.oldest, other.deliveries, now, {}};
    if (!judged && now - still.since < std::chrono::milliseconds(options_.idle_claim_ms)) continue;
    if (!judged) still.until = depth.last_read;
    while (ready_.size() < options_.window) {
      auto reading = TRY(redis_->reader.take_over_from(depth.coupon_id, other.consumer, still.until, kTakeOverMax));
      if (reading.entries.empty()) break;
      for (const Seen& seen : reading.entries)
        if (seen.message && !in_hand_.contains({seen.coupon_id, seen.entry})) ++now_.taken_over;
      take(std::move(reading));
    }
  }
  still_[depth.coupon_id] = std::move(now_still);
  return {};
}

Result<void> Mirror::Impl::republish() {
  auto room = publisher_.room();
  return republisher_.step(redis_->client, redis_->reader, room, [this](Seen& seen) {
    if (!seen.damage.empty()) note_damage(seen);
    if (!seen.message || in_hand_.contains({seen.coupon_id, seen.entry})) return false;
    publisher_.publish(*seen.message, Purpose::kOld);
    return true;
  });
}

void Mirror::Impl::note_damage(const Seen& seen) {
  if (damaged_.size() >= kDamagedMax) damaged_.clear();
  if (!damaged_.insert({seen.coupon_id, seen.entry}).second) return;
  ++now_.damaged;
  log_repeated(
      LogLevel::kError, "mirror", "entry_damaged",
      {{"coupon", seen.coupon_id}, {"entry", seen.entry.text()}, {"reason", seen.damage}, {"effect", "stays pending"}});
}

}  // namespace flashclaim::mirror
