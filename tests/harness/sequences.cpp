// Random sequences: seeds, shrinking, replay.
#include "tests/harness/sequences.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <sstream>

namespace flashclaim::harness {

namespace {

constexpr int kShrinkRunsMax = 400;

// splitmix64: neighbouring seeds and steps must not give related dice.
std::uint64_t mixed(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31U);
}

std::vector<int> all_steps(int count) {
  std::vector<int> steps(static_cast<std::size_t>(count));
  std::iota(steps.begin(), steps.end(), 0);
  return steps;
}

std::vector<int> parse_steps(const std::string& text) {
  std::vector<int> steps;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    steps.push_back(std::stoi(word));
  }
  return steps;
}

// Leaves out halves, quarters … single steps, as long as a difference (any) remains.
void shrink(Found& found, const RunSteps& run) {
  int runs = 0;
  for (std::size_t chunk = (found.steps.size() + 1) / 2; chunk >= 1 && runs < kShrinkRunsMax;) {
    bool smaller = false;
    for (std::size_t at = 0; at < found.steps.size() && runs < kShrinkRunsMax;) {
      auto fewer = found.steps;
      const auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(chunk, fewer.size() - at)));
      ++runs;
      if (auto difference = run(found.seed, fewer); !difference.empty()) {
        found.steps = std::move(fewer);
        found.difference = std::move(difference);
        smaller = true;
      } else {
        at += chunk;
      }
    }
    if (chunk == 1 && !smaller) {
      break;
    }
    chunk = std::max<std::size_t>(1, chunk / 2);
  }
}

}  // namespace

void agree(const std::string& actual, const std::string& expected, const std::string& about) {
  if (actual != expected) {
    throw Disagreement(about + "\n  the real one: " + actual + "\n  the model:    " + expected);
  }
}

Dice dice_of(std::uint64_t seed, int step) { return Dice(mixed(mixed(seed) + static_cast<std::uint64_t>(step + 1))); }

std::string run_sequence(std::uint64_t seed, const std::vector<int>& steps, const WithDice& begin,
                         const WithDice& step) {
  int at = -1;
  try {
    auto dice = dice_of(seed, at);
    begin(dice);
    for (const int number : steps) {
      at = number;
      dice = dice_of(seed, number);
      step(dice);
    }
    return "";
  } catch (const Disagreement& difference) {
    return "step " + std::to_string(at) + ": " + difference.what();
  }
}

std::string Found::text() const {
  std::string list;
  for (const int step : steps) {
    list += (list.empty() ? "" : ",") + std::to_string(step);
  }
  return difference + "\n  again: SEED=" + std::to_string(seed) + " STEPS=" + list;
}

std::optional<Found> search(std::uint64_t first, int seeds, int steps, const RunSteps& run) {
  for (int i = 0; i < seeds; ++i) {
    Found found{first + static_cast<std::uint64_t>(i), all_steps(steps), "", i + 1};
    found.difference = run(found.seed, found.steps);
    if (!found.difference.empty()) {
      shrink(found, run);
      return found;
    }
  }
  return std::nullopt;
}

std::optional<Found> search_as_asked(int seeds, int steps, const RunSteps& run) {
  if (const char* seed = std::getenv("SEED")) {
    const char* chosen = std::getenv("STEPS");
    Found found{std::strtoull(seed, nullptr, 10), chosen ? parse_steps(chosen) : all_steps(steps), "", 1};
    found.difference = run(found.seed, found.steps);
    return found.difference.empty() ? std::nullopt : std::optional(found);
  }
  const std::uint64_t random = std::random_device{}();
  std::printf("%d seeds of %d steps: from 1 and from %llu\n", seeds, steps, static_cast<unsigned long long>(random));
  if (auto found = search(1, seeds / 2, steps, run)) {
    return found;
  }
  return search(random, seeds - seeds / 2, steps, run);
}

}  // namespace flashclaim::harness
