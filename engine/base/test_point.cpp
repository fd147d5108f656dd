// The points and guards that the environment names, read once; see test_point.h.
#include "engine/base/test_point.h"

#ifdef FLASHCLAIM_TEST_POINTS

#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <list>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/base/environment.h"

namespace flashclaim {
namespace {

constexpr int kCrashed = 137;  // what a shell shows after kill -9

std::vector<std::string> words_of(const char* variable) {
  std::vector<std::string> words;
  const std::string value = env(variable);
  std::string_view rest = value;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    if (comma != 0) words.emplace_back(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  }
  return words;
}

struct Crash {
  std::string point;
  std::atomic<long> left{1};
};

[[noreturn]] void refuse(const std::string& word) {
  std::fprintf(stderr, "FLASHCLAIM_CRASH: not point:n: %s\n", word.c_str());
  _exit(2);
}

std::list<Crash>& crashes() {
  static std::list<Crash>* const all = [] {
    auto* found = new std::list<Crash>;  // lives until the process ends, whatever thread is still under way then
    for (const std::string& word : words_of("FLASHCLAIM_CRASH")) {
      const auto colon = word.find(':');
      if (colon == std::string::npos) refuse(word);
      long times = 0;
      const char* end = word.data() + word.size();
      const auto [parsed, error] = std::from_chars(word.data() + colon + 1, end, times);
      if (error != std::errc() || parsed != end || times < 1) refuse(word);
      Crash& crash = found->emplace_back();
      crash.point = word.substr(0, colon);
      crash.left = times;
    }
    return found;
  }();
  return *all;
}

/// Whether this passing of the point is the one that was named.
bool is_the_time(const char* name) {
  for (Crash& crash : crashes())
    if (crash.point == name && crash.left.fetch_sub(1) == 1) return true;
  return false;
}

[[noreturn]] void crash_at(const char* name) {
  const std::string note = std::string("crashed at test point ") + name + "\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, note.data(), note.size());
  _exit(kCrashed);
}

}  // namespace

void test_point(const char* name) {
  if (is_the_time(name)) crash_at(name);
}

void test_point_during(const char* name, int us_max) {
  if (!is_the_time(name)) return;
  const auto wait = std::chrono::microseconds(std::random_device()() % static_cast<unsigned>(us_max));
  std::thread([name, wait] {
    std::this_thread::sleep_for(wait);
    crash_at(name);
  }).detach();
}

bool guard_removed(const char* name) {
  static const auto* const removed = [] {
    const auto words = words_of("FLASHCLAIM_WITHOUT");
    return new std::set<std::string, std::less<>>(words.begin(), words.end());
  }();
  return removed->find(std::string_view(name)) != removed->end();
}

}  // namespace flashclaim

#endif
