// Groups the waiting requests by coupon, subscribes to its channel, and answers from one look or one message.
#include "engine/claim/long_poll.h"

#include <algorithm>

#include "engine/http/query.h"

namespace flashclaim::claim {
namespace {

constexpr std::size_t kWaitersMax = 65536;
constexpr std::size_t kViewsMax = 256;  ///< under way: claims share the connection
constexpr int kLeaveMs = 5000;

}  // namespace

std::optional<int> parse_wait(std::string_view query) {
  const http::QueryMatch wait = http::query_parameter(query, "wait");
  if (wait.count == 0) return 0;
  if (wait.count > 1 || !wait.value.ends_with('s')) return std::nullopt;
  const auto seconds = parse_number(wait.value.substr(0, wait.value.size() - 1), kWaitMaxS);
  if (!seconds) return std::nullopt;
  return static_cast<int>(*seconds) * 1000;
}

LongPolls::LongPolls(loop::Loop& loop, Views& views, ClaimCounters& counters)
    : views_(views),
      counters_(counters),
      deadline_(loop, [this] { on_deadline(); }),
      leave_(loop, [this] { leave_idle_channels(); }) {}

void LongPolls::wait(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id, int wait_ms) {
  if (wait_ms == 0 || draining_ || waiters_.size() - spare_.size() >= kWaitersMax)
    return views_.show_claim(exchange, claim, user_id);
  const std::uint32_t index = take();
  Waiter& waiter = waiters_[index];
  waiter.exchange = exchange;
  waiter.claim = claim;
  waiter.user_id = user_id;
  due_.emplace(loop::now_ms() + wait_ms, watch_of(index));
  if (due_.top().second == watch_of(index)) arm_deadline();
  auto [found, made] = channels_.try_emplace(claim.coupon_id);
  Channel& channel = found->second;
  if (made) {
    channel.name = redis::finished_channel(claim.coupon_id);
    if (channels_.size() == 1) leave_.every_ms(kLeaveMs);
  }
  link(index, channel);
  if (subscriber_->active(channel.name)) return look_at(index);
  subscriber_->subscribe(channel.name);
}

void LongPolls::drain() {
  draining_ = true;
  for (std::uint32_t i = 0; i < waiters_.size(); ++i) {
    if (waiters_[i].generation % 2 == 0) continue;
    waiters_[i].last = true;
    look_at(i);
  }
}

std::uint32_t LongPolls::take() {
  std::uint32_t index;
  if (spare_.empty()) {
    index = static_cast<std::uint32_t>(waiters_.size());
    waiters_.emplace_back();
  } else {
    index = spare_.back();
    spare_.pop_back();
    const std::uint32_t generation = waiters_[index].generation;
    waiters_[index] = Waiter();
    waiters_[index].generation = generation;
  }
  ++waiters_[index].generation;
  counters_.polls_waiting.add();
  return index;
}

void LongPolls::link(std::uint32_t index, Channel& channel) {
  auto [newest, first] = channel.newest.try_emplace(waiters_[index].claim.entry, index);
  if (!first) {
    waiters_[index].older = newest->second;
    waiters_[newest->second].newer = index;
    newest->second = index;
  }
  ++channel.waiters;
  channel.idle = false;
}

void LongPolls::forget(std::uint32_t index) {
  Waiter& waiter = waiters_[index];
  Channel& channel = channels_.at(waiter.claim.coupon_id);
  if (waiter.older != kNobody) waiters_[waiter.older].newer = waiter.newer;
  if (waiter.newer != kNobody) {
    waiters_[waiter.newer].older = waiter.older;
  } else if (waiter.older != kNobody) {
    channel.newest[waiter.claim.entry] = waiter.older;
  } else {
    channel.newest.erase(waiter.claim.entry);
  }
  --channel.waiters;
  ++waiter.generation;
  spare_.push_back(index);
  counters_.polls_waiting.sub(1);
}

std::uint64_t LongPolls::watch_of(std::uint32_t index) const {
  return std::uint64_t{waiters_[index].generation} << 32 | index;
}

LongPolls::Waiter* LongPolls::find(std::uint64_t watch) {
  Waiter& waiter = waiters_[static_cast<std::uint32_t>(watch)];
  return waiter.generation == watch >> 32 ? &waiter : nullptr;
}

void LongPolls::look_at(std::uint32_t index) {
  Waiter& waiter = waiters_[index];
  if (waiter.viewing) {
    waiter.again = true;
  } else if (!std::exchange(waiter.queued, true)) {
    to_view_.push_back(watch_of(index));
    pump();
  }
}

void LongPolls::look_at_all(const Channel& channel) {
  std::vector<std::uint64_t> all;
  all.reserve(channel.waiters);
  for (const auto& [entry, newest] : channel.newest) collect(newest, all);
  for (const std::uint64_t watch : all)
    if (find(watch)) look_at(static_cast<std::uint32_t>(watch));
}

/// The watches of an entry: a look or an answer may end others at once, and change the lists.
void LongPolls::collect(std::uint32_t newest, std::vector<std::uint64_t>& watches) const {
  for (std::uint32_t i = newest; i != kNobody; i = waiters_[i].older) watches.push_back(watch_of(i));
}

/// A view may end inside show_claim (no connection), and come back here.
void LongPolls::pump() {
  if (std::exchange(pumping_, true)) return;
  while (viewing_ < kViewsMax && !to_view_.empty()) {
    const std::uint64_t watch = to_view_.front();
    to_view_.pop_front();
    Waiter* waiter = find(watch);
    if (!waiter) continue;
    waiter->queued = false;
    waiter->viewing = true;
    ++viewing_;
    views_.show_claim(waiter->exchange, waiter->claim, waiter->user_id, this, watch);
  }
  pumping_ = false;
}

LongPolls::Next LongPolls::viewed(std::uint64_t watch, bool pending) noexcept {
  --viewing_;
  Next verdict = Next::kDrop;
  if (Waiter* waiter = find(watch)) {
    const auto index = static_cast<std::uint32_t>(watch);
    waiter->viewing = false;
    if (pending && (!waiter->last || waiter->again)) {
      verdict = Next::kWait;
      if (std::exchange(waiter->again, false)) look_at(index);
    } else {
      verdict = Next::kAnswer;
      if (pending) counters_.polls_expired.add();
      forget(index);
    }
  }
  pump();
  return verdict;
}

void LongPolls::subscribed(std::string_view channel) noexcept {
  const auto coupon_id = redis::coupon_of_channel(channel);
  auto found = coupon_id ? channels_.find(*coupon_id) : channels_.end();
  if (found != channels_.end()) look_at_all(found->second);
}

void LongPolls::message(std::string_view channel, std::string_view payload) noexcept {
  const auto coupon_id = redis::coupon_of_channel(channel);
  const auto finished = redis::parse_finished(payload);
  auto found = coupon_id ? channels_.find(*coupon_id) : channels_.end();
  if (!finished || found == channels_.end()) return;
  auto newest = found->second.newest.find(finished->entry);
  if (newest == found->second.newest.end()) return;
  std::vector<std::uint64_t> all;
  collect(newest->second, all);
  for (const std::uint64_t watch : all)
    if (find(watch)) tell(static_cast<std::uint32_t>(watch), *finished);
}

void LongPolls::tell(std::uint32_t index, const redis::Finished& finished) {
  const Waiter waiter = waiters_[index];
  auto outcome = redis::outcome_of(finished, waiter.claim.index);
  if (!outcome || finished.epoch != waiter.claim.epoch) return look_at(index);
  forget(index);
  counters_.polls_pushed.add();
  views_.answer(waiter.exchange, waiter.claim, waiter.user_id, *outcome);
}

void LongPolls::on_deadline() {
  const std::int64_t now_ms = loop::now_ms();
  while (!due_.empty() && due_.top().first <= now_ms) {
    const std::uint64_t watch = due_.top().second;
    due_.pop();
    Waiter* waiter = find(watch);
    if (!waiter) continue;
    waiter->last = true;
    look_at(static_cast<std::uint32_t>(watch));
  }
  arm_deadline();
}

void LongPolls::arm_deadline() {
  if (!due_.empty()) deadline_.start_ms(std::max<std::int64_t>(1, due_.top().first - loop::now_ms()));
}

void LongPolls::leave_idle_channels() {
  for (auto next = channels_.begin(); next != channels_.end();) {
    const auto item = next++;
    Channel& channel = item->second;
    if (channel.waiters > 0 || !std::exchange(channel.idle, true)) continue;
    subscriber_->unsubscribe(channel.name);
    channels_.erase(item);
  }
  if (channels_.empty()) leave_.stop();
}

}  // namespace flashclaim::claim
