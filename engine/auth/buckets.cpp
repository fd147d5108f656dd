// A bucket is one word: 20 bits of tag, and 44 bits of time in ticks of 1/64 ms since the table was made
// (eight years). 0 is a place that was never used.
#include "engine/auth/buckets.h"

#include <algorithm>
#include <bit>
#include <random>

#include "engine/loop/loop.h"

namespace flashclaim::auth {
namespace {

constexpr int kTimeBits = 44;
constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << kTimeBits) - 1;
constexpr std::int64_t kTicksPerMs = 64;

std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::int64_t time_of(std::uint64_t bucket) { return static_cast<std::int64_t>(bucket & kTimeMask); }

}  // namespace

std::uint64_t keyed_hash(std::uint64_t seed, std::uint64_t a, std::uint64_t b) {
  const std::uint64_t first = folded_product(a ^ seed, 0xa0761d6478bd642fU ^ seed);
  return folded_product(first ^ b, 0xe7037ed1a0b428dbU ^ std::rotl(seed, 32));
}

std::uint64_t secret_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

Buckets::Buckets(int per_second, std::size_t places)
    : per_second_(per_second),
      interval_(std::max<std::int64_t>(1, 1000 * kTicksPerMs / per_second)),
      tolerance_((per_second - 1) * interval_),
      epoch_us_(loop::now_us()),
      seed_(secret_seed()),
      lines_(std::bit_ceil(std::max(places, kWays)) / kWays),
      table_(new Line[lines_]()) {}

std::int64_t Buckets::take(std::uint64_t a, std::uint64_t b, std::int64_t now_us) noexcept {
  const std::uint64_t hash = keyed_hash(seed_, a, b);
  const std::uint64_t tag = std::max<std::uint64_t>(1, hash >> kTimeBits);
  Line& line = table_[hash & (lines_ - 1)];
  const std::int64_t now = std::max<std::int64_t>(0, (now_us - epoch_us_) * kTicksPerMs / 1000);
  while (true) {
    std::atomic<std::uint64_t>* place = nullptr;
    std::uint64_t seen = 0;
    for (auto& bucket : line.buckets) {
      const std::uint64_t value = bucket.load(std::memory_order_relaxed);
      const bool ours = value >> kTimeBits == tag;
      if (ours || !place || time_of(value) < time_of(seen)) {
        place = &bucket;
        seen = value;
      }
      if (ours) break;
    }
    const bool ours = seen >> kTimeBits == tag;
    const std::int64_t full_at = ours ? std::max(time_of(seen), now) : now;
    const std::int64_t ahead = full_at - now;
    if (ahead > tolerance_) return std::max<std::int64_t>(1, (ahead - tolerance_ + kTicksPerMs - 1) / kTicksPerMs);
    const std::uint64_t next = tag << kTimeBits | static_cast<std::uint64_t>(full_at + interval_);
    if (place->compare_exchange_weak(seen, next, std::memory_order_relaxed)) return 0;
  }
}

}  // namespace flashclaim::auth
