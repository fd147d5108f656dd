// How many connections each address holds, in tables of fixed size, shared by all threads without a lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace flashclaim::auth {

/// A count-min sketch of two rows that is counted down too: it never counts too few, and too many only where the
/// address collides in both rows.
class ConnectionCap {
 public:
  explicit ConnectionCap(int per_address, std::size_t places = std::size_t{1} << 16);

  /// False: the address holds as many as it may; nothing was counted. Any thread; never blocks.
  bool enter(std::uint64_t a, std::uint64_t b) noexcept;
  /// Once for each enter that returned true.
  void leave(std::uint64_t a, std::uint64_t b) noexcept;

 private:
  struct Places {
    std::atomic<std::uint32_t>& first;
    std::atomic<std::uint32_t>& second;
  };
  [[nodiscard]] Places places_of(std::uint64_t a, std::uint64_t b) const;

  std::uint32_t per_address_;
  std::uint64_t seed_;
  std::size_t row_;
  std::unique_ptr<std::atomic<std::uint32_t>[]> counts_;  ///< two rows
};

}  // namespace flashclaim::auth
