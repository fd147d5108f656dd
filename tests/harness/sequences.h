// Model-based testing: random sequences of steps on a real thing and on its model. A sequence that finds a difference
// is shrunk and printed as `SEED=n STEPS=a,b,c`, which in the environment of the test runs exactly that one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace flashclaim::harness {

/// Thrown by a step that found the thing and its model to differ.
struct Disagreement : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Throws when `actual` is not `expected`.
void agree(const std::string& actual, const std::string& expected, const std::string& about);

/// The random choices of one step.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  /// 0 to below - 1. `below` at least 1.
  std::int64_t roll(std::int64_t below) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(below));
  }
  bool one_in(std::int64_t n) { return roll(n) == 0; }
  template <class List>
  const auto& pick(const List& list) {
    return list[static_cast<std::size_t>(roll(static_cast<std::int64_t>(list.size())))];
  }

 private:
  std::mt19937_64 random_;
};

/// The dice of a step depend on the seed and on the step's number only, so that a sequence with steps left out is one
/// too. Number -1: the dice that make the world in which the sequence runs.
Dice dice_of(std::uint64_t seed, int step);

/// One sequence: `begin` makes the world from the dice -1, then `step` with the dice of each number. Returns the first
/// difference ("step 7: …"), or "".
using WithDice = std::function<void(Dice&)>;
std::string run_sequence(std::uint64_t seed, const std::vector<int>& steps, const WithDice& begin,
                         const WithDice& step);

/// Runs the numbered steps of the seed in a fresh world. Returns the first difference, or "".
using RunSteps = std::function<std::string(std::uint64_t seed, const std::vector<int>& steps)>;

struct Found {
  std::uint64_t seed = 0;
  std::vector<int> steps;  ///< as few as could be found
  std::string difference;
  int seeds_tried = 0;
  /// For a person: what differs, and the words that run it again.
  [[nodiscard]] std::string text() const;
};

/// Seeds `first`, `first` + 1 … with steps 0 to `steps` - 1 each; the first that finds a difference, shrunk.
std::optional<Found> search(std::uint64_t first, int seeds, int steps, const RunSteps& run);
/// The same over what the environment asks for (SEED, STEPS), else over the first half of `seeds` from 1 and the second
/// half from a random number, which is printed.
std::optional<Found> search_as_asked(int seeds, int steps, const RunSteps& run);

}  // namespace flashclaim::harness
