// Takes a lease in Redis, walks through a stream, and publishes at a bounded pace.
#include "engine/mirror/republisher.h"

#include <algorithm>

#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/redis/keys.h"

namespace flashclaim::mirror {
namespace {

constexpr std::size_t kJobsMax = 64;
constexpr std::size_t kChunk = 128;

}  // namespace

Republisher::Republisher(RepublishOptions options) : options_(std::move(options)), judge_(options_.patience) {}

void Republisher::want_everything(const std::vector<std::int64_t>& coupons) {
  everything_.insert(coupons.begin(), coupons.end());
}

Result<void> Republisher::consider(redis::Client& client, const Depth& depth, Clock::time_point before) {
  if (guard_removed("mirror.replay")) return {};
  const auto now = Clock::now();
  judge_.look(depth, before, now);
  const bool everything = everything_.contains(depth.coupon_id);
  if (depth.length == 0 || !depth.has_group) {
    everything_.erase(depth.coupon_id);
    return {};
  }
  if (jobs_.contains(depth.coupon_id) || jobs_.size() >= kJobsMax) return {};
  Job job;
  job.everything = everything;
  if (everything) {
    everything_.erase(depth.coupon_id);
    job.range = {{}, depth.last_read};
  } else {
    const auto due = judge_.due(depth.coupon_id, now);
    if (!due) return {};
    job.range = *due;
    auto leased = TRY(take_lease(client, depth.coupon_id));
    if (!leased) {
      judge_.begin_anew(depth.coupon_id);
      return {};
    }
    log(LogLevel::kWarn, "mirror", "messages_missing",
        {{"coupon", depth.coupon_id},
         {"from", job.range.first.text()},
         {"to", job.range.last.text()},
         {"effect", "what is unfinished of them is published again"}});
  }
  start(depth.coupon_id, job);
  return {};
}

/// A lease with more time left than any lease is given dates from before Redis' clock went back: it does not count.
Result<bool> Republisher::take_lease(redis::Client& client, std::int64_t coupon) {
  const std::string key = redis::sweeper_key(coupon);
  const auto life_ms = options_.patience.grace.count();
  auto lease = TRY(client.command({"SET", key, options_.owner, "NX", "PX", std::to_string(life_ms)}));
  if (lease.is_error()) return false;
  if (!lease.is_nil()) return true;
  client.append({"GET", key});
  client.append({"PTTL", key});
  auto owner = client.read();
  auto left = client.read();
  if (!owner || !left) return !owner ? owner.error() : left.error();
  return owner->text() == options_.owner || left->integer() > life_ms;
}

void Republisher::append_lease(redis::Client& client, std::int64_t coupon) {
  client.append(
      {"SET", redis::sweeper_key(coupon), options_.owner, "PX", std::to_string(options_.patience.grace.count())});
}

void Republisher::start(std::int64_t coupon, Job job) {
  rewind(job);
  jobs_.emplace(coupon, job);
  order_.push_back(coupon);
}

void Republisher::rewind(Job& job) {
  job.next = job.range.first;
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

Result<void> Republisher::step(redis::Client& client, StreamReader& reader, std::size_t room, const Publish& publish) {
  if (order_.empty() || room == 0) return {};
  auto coupon = order_.front();
  Job& job = jobs_.at(coupon);
  std::size_t asked = std::min(kChunk, job.everything ? room : std::min(room, allowance()));
  if (asked == 0) return {};
  auto reading = TRY(reader.range(coupon, job.next, job.range.last, asked));
  auto held = TRY(held_back(client, coupon, reading));
  if (!job.everything) tokens_ -= static_cast<double>(reading.entries.size());
  for (Seen& seen : reading.entries)
    if (!held.contains(seen.entry.text()) && publish(seen)) {
      ++job.published;
      ++job.unanswered;
    }
  advance(job, reading, asked);
  order_.pop_front();
  if (!job.read) order_.push_back(coupon);
  end_if_done(coupon);
  return {};
}

void Republisher::advance(Job& job, const Reading& reading, std::size_t asked) {
  if (reading.entries.size() < asked) {
    job.read = true;
    return;
  }
  EntryId last = reading.entries.back().entry;
  job.next = {last.ms, last.seq + 1};
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
  append_lease(client, coupon);
  auto pending = client.read();
  auto dead = client.read();
  auto lease = client.read();
  if (!pending || !dead || !lease) return !pending ? pending.error() : !dead ? dead.error() : lease.error();
  for (std::size_t i = 0; i < pending->size(); ++i) held.emplace((*pending)[i][0].text());
  for (std::size_t i = 0; i < dead->size() && i < reading.entries.size(); ++i)
    if ((*dead)[i].integer() == 1) held.insert(reading.entries[i].entry.text());
  return held;
}

void Republisher::settle(const Published& published) {
  auto found = jobs_.find(published.coupon_id);
  if (found == jobs_.end()) return;
  --found->second.unanswered;
  found->second.failed |= !published.taken;
  end_if_done(published.coupon_id);
}

void Republisher::end_if_done(std::int64_t coupon) {
  Job& job = jobs_.at(coupon);
  if (!job.read || job.unanswered > 0) return;
  if (job.failed) {
    rewind(job);
    order_.push_back(coupon);
    return;
  }
  judge_.swept(coupon, job.range, job.published, Clock::now());
  jobs_.erase(coupon);
}

}  // namespace flashclaim::mirror
