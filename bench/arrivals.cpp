// Computes when request n is due, and how many are due by now, in integers.
#include "bench/arrivals.h"

#include <algorithm>
#include <cmath>

namespace flashclaim::bench {

Arrivals::Arrivals(double per_second, double seconds)
    : per_second_(per_second), total_(static_cast<std::int64_t>(std::ceil(per_second * seconds - 1e-6))) {}

std::int64_t Arrivals::due_us(std::int64_t index) const {
  return static_cast<std::int64_t>(std::floor(static_cast<double>(index) * 1e6 / per_second_));
}

std::int64_t Arrivals::due_by(std::int64_t elapsed_us) const {
  if (elapsed_us < 0) return 0;
  auto guess = static_cast<std::int64_t>(static_cast<double>(elapsed_us) * per_second_ / 1e6);
  guess = std::max<std::int64_t>(guess - 1, 0);
  while (due_us(guess) <= elapsed_us && guess < total_) ++guess;  // rounding: a few steps at most
  return std::min(guess, total_);
}

}  // namespace flashclaim::bench
