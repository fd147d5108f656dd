// See republisher.h.
#include "engine/mirror/republisher.h"

#include <algorithm>

#include "engine/base/test_point.h"
#include "engine/redis/keys.h"

namespace flashclaim::mirror {
namespace {

constexpr std::size_t kJobsMax = 64;
constexpr std::size_t kChunk = 128;

std::string tagged(std::string_view name, std::int64_t coupon) {
  return std::string(name) + "{" + std::to_string(coupon) + "}";
}
std::string lease_key(std::int64_t coupon) { return tagged("coupon:sweeper:", coupon); }
std::string swept_key(std::int64_t coupon) { return tagged("coupon:swept:", coupon); }

}  // namespace

Republisher::Republisher(RepublishOptions options) : options_(std::move(options)) {}

int Republisher::lease_ms() const {
  return static_cast<int>(std::clamp<std::int64_t>(options_.schedule.first_ms / 2, 100, 30000));
}

void Republisher::want_everything(const std::vector<std::int64_t>& coupons) {
  everything_.insert(coupons.begin(), coupons.end());
}

Result<void> Republisher::consider(redis::Client& client, const Depth& depth, std::int64_t now_ms) {
  if (guard_removed("mirror.replay")) return {};
  bool everything = everything_.contains(depth.coupon_id);
  if (depth.length == 0 || !depth.has_group) {
    everything_.erase(depth.coupon_id);
    return {};
  }
  if (jobs_.contains(depth.coupon_id) || jobs_.size() >= kJobsMax) return {};
  Job job;
  job.last = depth.last_read;
  job.until_ms = now_ms;
  job.everything = everything;
  if (everything) {
    everything_.erase(depth.coupon_id);
    job.spans = {{0, depth.last_read.ms}};
  } else {
    if (!depth.oldest || *depth.oldest > depth.last_read || depth.oldest->ms > now_ms - options_.schedule.first_ms)
      return {};
    std::int64_t swept_ms = -1;
    auto leased = take_lease(client, depth.coupon_id, swept_ms);
    if (!leased) return leased.error();
    if (!*leased) return {};
    job.spans = due_births(options_.schedule, swept_ms, now_ms);
  }
  if (!job.spans.empty()) start(depth.coupon_id, std::move(job));
  return {};
}

Result<bool> Republisher::take_lease(redis::Client& client, std::int64_t coupon, std::int64_t& swept_ms) {
  auto lease = client.command({"SET", lease_key(coupon), options_.owner, "NX", "PX", std::to_string(lease_ms())});
  if (!lease) return lease.error();
  if (lease->is_error() || lease->is_nil()) return false;
  auto swept = client.command({"GET", swept_key(coupon)});
  if (!swept) return swept.error();
  if (auto at = parse_number(swept->text())) swept_ms = *at;
  return true;
}

void Republisher::start(std::int64_t coupon, Job job) {
  rewind(job);
  jobs_.emplace(coupon, std::move(job));
  order_.push_back(coupon);
}

void Republisher::rewind(Job& job) {
  job.at = 0;
  job.next = {job.spans[0].from, 0};
  job.read = false;
  job.failed = false;
}

std::size_t Republisher::allowance() {
  auto now = Clock::now();
  tokens_ += std::chrono::duration<double>(now - filled_at_).count() * options_.per_second;
  tokens_ = std::min(tokens_, std::max(1.0, options_.per_second / 10.0));
  filled_at_ = now;
  return static_cast<std::size_t>(tokens_);
}

Result<void> Republisher::step(redis::Client& client, Outbox& outbox, std::size_t room, const Publish& publish) {
  if (!finished_.empty()) return record_finished(client);
  if (order_.empty() || room == 0) return {};
  auto coupon = order_.front();
  Job& job = jobs_.at(coupon);
  std::size_t asked = std::min(kChunk, job.everything ? room : std::min(room, allowance()));
  if (asked == 0) return {};
  EntryId last = std::min(EntryId{job.spans[job.at].to, INT64_MAX}, job.last);
  auto reading = outbox.range(coupon, job.next, last, asked);
  if (!reading) return reading.error();
  auto held = held_back(client, coupon, *reading);
  if (!held) return held.error();
  if (!job.everything) tokens_ -= static_cast<double>(reading->entries.size());
  for (Seen& seen : reading->entries)
    if (!held->contains(seen.entry.text()) && publish(seen)) ++job.unanswered;
  advance(job, *reading, asked);
  order_.pop_front();
  if (!job.read) order_.push_back(coupon);
  end_if_done(coupon);
  return {};
}

void Republisher::advance(Job& job, const Reading& reading, std::size_t asked) {
  if (reading.entries.size() >= asked) {
    EntryId last = reading.entries.back().entry;
    job.next = {last.ms, last.seq + 1};
    return;
  }
  if (++job.at == job.spans.size()) {
    job.read = true;
  } else {
    job.next = {job.spans[job.at].from, 0};
  }
}

/// The ids that must wait: pending (their own mirror publishes them) or dead (they lie in the dead letter queue).
Result<std::unordered_set<std::string>> Republisher::held_back(redis::Client& client, std::int64_t coupon,
                                                               const Reading& reading) {
  std::unordered_set<std::string> held;
  if (reading.entries.empty()) return held;
  const redis::CouponKeys keys(coupon);
  client.append({"XPENDING", keys.claims, redis::kMirrorGroup, reading.entries.front().entry.text(),
                 reading.entries.back().entry.text(), std::to_string(reading.entries.size())});
  std::vector<std::string> members = {"SMISMEMBER", keys.dead};
  for (const Seen& seen : reading.entries) members.push_back(seen.entry.text());
  client.append(members);
  client.append({"SET", lease_key(coupon), options_.owner, "PX", std::to_string(lease_ms())});
  auto pending = client.read();
  auto dead = client.read();
  auto lease = client.read();
  if (!pending || !dead || !lease) return !pending ? pending.error() : !dead ? dead.error() : lease.error();
  for (std::size_t i = 0; i < pending->size(); ++i) held.emplace((*pending)[i][0].text());
  for (std::size_t i = 0; i < dead->size() && i < reading.entries.size(); ++i)
    if ((*dead)[i].integer() == 1) held.insert(reading.entries[i].entry.text());
  return held;
}

void Republisher::settle(const Carried& carried) {
  auto found = jobs_.find(carried.coupon_id);
  if (found == jobs_.end()) return;
  --found->second.unanswered;
  found->second.failed |= !carried.taken;
  end_if_done(carried.coupon_id);
}

void Republisher::end_if_done(std::int64_t coupon) {
  Job& job = jobs_.at(coupon);
  if (!job.read || job.unanswered > 0) return;
  if (job.failed) {
    rewind(job);
    order_.push_back(coupon);
    return;
  }
  finished_.push_back({coupon, job.until_ms});
  jobs_.erase(coupon);
}

Result<void> Republisher::record_finished(redis::Client& client) {
  // It lives a little longer than the longest gap: forgotten means that everything old is due, once.
  const std::string life_ms = std::to_string(2 * options_.schedule.gap_max_ms);
  for (const Finished& one : finished_)
    client.append({"SET", swept_key(one.coupon_id), std::to_string(one.until_ms), "PX", life_ms});
  Result<void> outcome;
  for (std::size_t i = 0; i < finished_.size(); ++i)
    if (auto reply = client.read(); !reply) outcome = reply.error();
  if (outcome) finished_.clear();
  return outcome;
}

}  // namespace flashclaim::mirror
