// One cycle of the mirror: read entries, publish them, take the broker's confirms, acknowledge in Redis. See impl.h.
#include <algorithm>

#include "engine/base/log_repeated.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/mirror/impl.h"
#include "engine/redis/functions.h"

namespace flashclaim::mirror {
namespace {

constexpr int kIdleBlockMs = 20;   // an idle read waits this long in Redis; it wakes at the first entry of a hot stream
constexpr int kConfirmWaitMs = 2;  // with publishes under way and nothing to read
constexpr int kAwayWaitMs = 20;    // when nothing can be done
constexpr std::chrono::milliseconds kPace(5);  // a cycle with work takes this long: it costs Redis one or two syncs
constexpr std::size_t kFullRead = 256;         // entries of a cycle; after so many the next cycle begins at once
constexpr std::size_t kColdChunk = 256;        // streams of one read
constexpr int kColdChunks = 4;                 // reads of one cycle
constexpr std::size_t kColdCount = 4;          // entries of a cold stream: once it has some it is hot
constexpr std::size_t kRecoverStreams = 64;

}  // namespace

bool Mirror::Impl::at_rest() const {
  return ready_.empty() && publisher_.unconfirmed() == 0 && confirmed_.empty() && republisher_.idle();
}

void Mirror::Impl::turn() {
  const auto began = Clock::now();
  const bool acknowledges = !confirmed_.empty();
  std::vector<Published> outcomes;
  publisher_.pump(0, outcomes);
  settle(outcomes);
  std::size_t read = 0;
  if (redis_) {
    auto work = [&]() -> Result<void> {
      TRY(look_at_server_if_due());
      TRY(refresh_coupons_if_due());
      TRY(acknowledge());
      if (auto room = publisher_.room(); room > ready_.size()) {
        read = TRY(recovering_.empty() ? read_streams(room - ready_.size()) : recover(room - ready_.size()));
      }
      publish_ready();
      TRY(republish());
      return upkeep_if_due();
    };
    if (auto done = work(); !done) redis_failed("turn", done.error());
  }
  outcomes.clear();
  bool can_read = redis_ && publisher_.room() > 0;
  int wait_ms = read > 0 ? 0 : !can_read || streams_.hot().empty() ? kAwayWaitMs : at_rest() ? 0 : kConfirmWaitMs;
  if (!publisher_.connected() && wait_ms > 0) {
    wait(wait_ms);
    wait_ms = 0;
  }
  publisher_.pump(wait_ms, outcomes);
  settle(outcomes);
  if ((read > 0 || acknowledges) && read < kFullRead) keep_pace(began + kPace);
}

/// Under load the pause lets the next cycle read and acknowledge more in the same number of round trips.
void Mirror::Impl::keep_pace(Clock::time_point until) {
  std::vector<Published> outcomes;
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0 || stopping_) break;
    if (!publisher_.connected()) return wait(static_cast<int>(left.count()));
    outcomes.clear();
    publisher_.pump(static_cast<int>(left.count()), outcomes);
    settle(outcomes);
  }
}

Result<void> Mirror::Impl::refresh_coupons_if_due() {
  auto now = Clock::now();
  if (now < coupons_at_) return {};
  auto coupons = TRY(redis_->reader.issuing());
  // A set of thousands takes Redis a moment: look less often then.
  auto pause_ms = std::clamp<std::size_t>(coupons.size() / 4, 50, 1000);
  coupons_at_ = now + std::chrono::milliseconds(pause_ms);
  for (auto coupon : streams_.replace(coupons)) recovering_[coupon] = {};
  std::erase_if(recovering_, [this](const auto& item) { return !streams_.contains(item.first); });
  return {};
}

Result<void> Mirror::Impl::acknowledge() {
  if (confirmed_.empty()) return {};
  test_point("mirror.ack.sending");
  auto removed = redis_->reader.acknowledge(confirmed_);
  test_point("mirror.ack.answered");
  if (!removed) return removed.error();  // confirmed_ keeps them for the next connection
  now_.mirrored += *removed;
  for (const auto& [coupon, ids] : confirmed_)
    for (EntryId id : ids) in_hand_.erase({coupon, id});
  if (guard_removed("mirror.entry_stays"))
    for (const auto& [coupon, ids] : confirmed_)
      for (EntryId id : ids) (void)redis_->client.command({"XDEL", redis::CouponKeys(coupon).claims, id.text()});
  confirmed_.clear();
  return {};
}

/// Reads on among our own pending entries: left by an earlier run or a lost connection, or refused by the broker.
Result<std::size_t> Mirror::Impl::recover(std::size_t room) {
  std::vector<Position> positions;
  for (const auto& [coupon, after] : recovering_) {
    if (positions.size() == kRecoverStreams) break;
    positions.push_back({coupon, after});
  }
  std::size_t count = std::clamp<std::size_t>(room / positions.size(), 16, 512);
  auto reading = TRY(redis_->reader.read_own(positions, count));
  std::map<std::int64_t, std::size_t> found;
  for (const Seen& seen : reading.entries) {
    ++found[seen.coupon_id];
    recovering_[seen.coupon_id] = seen.entry;
  }
  for (const Position& position : positions)
    if (found[position.coupon_id] < count) recovering_.erase(position.coupon_id);
  auto entries = reading.entries.size();
  take(std::move(reading));
  return entries;
}

Result<std::size_t> Mirror::Impl::read_streams(std::size_t room) {
  std::size_t entries = 0;
  int block_ms = at_rest() ? kIdleBlockMs : 0;
  // A stream that filled its share is read again, so that one busy coupon among many quiet ones gets the whole room.
  for (auto coupons = streams_.hot(); !coupons.empty() && entries < room; block_ms = 0) {
    std::size_t count = std::clamp<std::size_t>((room - entries) / coupons.size(), 16, 512);
    auto reading = TRY(redis_->reader.read_new(coupons, count, block_ms));
    entries += reading.entries.size();
    std::map<std::int64_t, std::size_t> shares;
    for (const Seen& seen : reading.entries) ++shares[seen.coupon_id];
    std::erase_if(coupons, [&](auto coupon) { return shares[coupon] < count; });
    take(std::move(reading));
  }
  auto now = Clock::now();
  if (streams_.cold_size() == 0 || now < cold_at_) return entries;
  cold_at_ = now + std::chrono::milliseconds(kIdleBlockMs / 2);
  auto chunks = std::min<std::size_t>(kColdChunks, (streams_.cold_size() + kColdChunk - 1) / kColdChunk);
  for (std::size_t i = 0; i < chunks && ready_.size() < options_.window; ++i) {
    auto reading = TRY(redis_->reader.read_new(streams_.next_cold(kColdChunk), kColdCount, 0));
    entries += reading.entries.size();
    take(std::move(reading));
  }
  return entries;
}

void Mirror::Impl::take(Reading reading) {
  for (auto coupon : reading.healed) {
    ++now_.healed_groups;
    log_repeated(LogLevel::kWarn, "mirror", "group_healed", {{"coupon", coupon}});
    // The stream was lost with its group. If this call fails too, the next call on this connection reports it.
    (void)redis::mark_suspect(redis_->client, coupon);
  }
  for (auto coupon : reading.unreadable) {
    log_repeated(LogLevel::kError, "mirror", "stream_unreadable", {{"coupon", coupon}});
    streams_.suspend(coupon, std::chrono::seconds(60));
  }
  if (!reading.gone.empty()) coupons_at_ = {};  // before the next read
  if (!reading.entries.empty()) test_point("mirror.entries.read");
  for (Seen& seen : reading.entries) take_entry(std::move(seen));
}

void Mirror::Impl::take_entry(Seen seen) {
  if (!seen.damage.empty()) return note_damage(seen);
  if (damaged_.erase({seen.coupon_id, seen.entry}) > 0)
    log_repeated(LogLevel::kInfo, "mirror", "entry_whole", {{"coupon", seen.coupon_id}, {"entry", seen.entry.text()}});
  if (in_hand_.contains({seen.coupon_id, seen.entry})) return;
  if (!seen.message) {  // finished before it was acknowledged here: only the pending mark is left
    confirmed_[seen.coupon_id].push_back(seen.entry);
    return;
  }
  streams_.touch(seen.coupon_id);
  in_hand_.insert({seen.coupon_id, seen.entry});
  ready_.push_back(std::move(*seen.message));
}

void Mirror::Impl::publish_ready() {
  for (auto room = publisher_.room(); room > 0 && !ready_.empty(); --room) {
    publisher_.publish(ready_.front(), Purpose::kPending);
    ready_.pop_front();
  }
}

void Mirror::Impl::settle(const std::vector<Published>& outcomes) {
  for (const Published& published : outcomes) {
    if (published.purpose == Purpose::kOld) {
      now_.republished += published.taken ? 1 : 0;
      republisher_.settle(published);
    } else if (published.taken) {
      confirmed_[published.coupon_id].push_back(published.entry);
    } else {
      in_hand_.erase({published.coupon_id, published.entry});
      recovering_[published.coupon_id] = {};
    }
  }
}

}  // namespace flashclaim::mirror
