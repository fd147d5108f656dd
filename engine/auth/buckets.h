// Token buckets for any number of keys in a table of fixed size, shared by all threads without a lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace flashclaim::auth {

/// Mixes two words with a seed that nobody outside knows: whoever chooses keys cannot choose their places.
std::uint64_t keyed_hash(std::uint64_t seed, std::uint64_t a, std::uint64_t b);
/// Unlike any other of this or another process.
std::uint64_t secret_seed();

/// Each key may take `per_second` at once, and gets as many back in a second (GCRA: one number for each key, the time
/// at which its bucket will be full again). A bucket that is full needs no place, so the table holds only those who
/// have taken lately. Eight buckets share a cache line; when all eight are in use by others, the one nearest to full
/// gives way. Errs that way, for admission; the other way only for two keys of one line with the same tag (1 in 10^5).
class Buckets {
 public:
  /// `per_second`: 1 to 10000. `places` is rounded up to a power of two.
  explicit Buckets(int per_second, std::size_t places = std::size_t{1} << 18);

  /// 0: taken. Else nothing was taken, and so many milliseconds will pass until something can be (at least 1).
  /// `now_us` is of loop::now_us and may lag a little. Any thread; never blocks.
  std::int64_t take(std::uint64_t a, std::uint64_t b, std::int64_t now_us) noexcept;

  [[nodiscard]] int per_second() const { return per_second_; }

 private:
  static constexpr std::size_t kWays = 8;
  struct alignas(64) Line {
    std::atomic<std::uint64_t> buckets[kWays];
  };

  int per_second_;
  std::int64_t interval_;   ///< between two tokens, in ticks
  std::int64_t tolerance_;  ///< how far ahead of now a bucket may be and still give
  std::int64_t epoch_us_;
  std::uint64_t seed_;
  std::size_t lines_;
  std::unique_ptr<Line[]> table_;
};

}  // namespace flashclaim::auth
