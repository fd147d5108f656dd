// When the requests of an open-loop load are due: constant arrivals, laid down before the first answer is known.
#pragma once

#include <cstdint>

namespace flashclaim::bench {

/// Request i is due at i / rate seconds after the start. The schedule never waits for an answer: that is what keeps a
/// slow server from choosing when it is measured (coordinated omission).
class Arrivals {
 public:
  /// `per_second` in (0, 10^7]; `seconds` in (0, 10^6].
  Arrivals(double per_second, double seconds);

  /// Microseconds after the start.
  [[nodiscard]] std::int64_t due_us(std::int64_t index) const;
  /// How many are due by then, the one due at that very microsecond included; never more than total().
  [[nodiscard]] std::int64_t due_by(std::int64_t elapsed_us) const;
  /// The arrivals of the whole schedule: those due before its end.
  [[nodiscard]] std::int64_t total() const { return total_; }

 private:
  double per_second_;
  std::int64_t total_;
};

}  // namespace flashclaim::bench
