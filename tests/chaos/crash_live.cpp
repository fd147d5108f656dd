// An engine with its mirror and a consumer die at every point of their work, again and again, while claims flow.
#include <spdlog/fmt/fmt.h>

#include "tests/chaos/crash_points.h"
#include "tests/chaos/crash_world.h"

namespace flashclaim::chaos {
namespace {

class CrashLive : public CrashWorld {
 protected:
  static void print(const CrashVictim& victim) {
    for (const auto& [point, count] : victim.hits()) fmt::print("  {:28} {}\n", point, count);
  }
};

TEST_F(CrashLive, LosesAndDoublesNothingWhereverTheyDie) {
  const int times = crashes_wanted(2);
  open_coupon(10'000'000, 1'000'000);
  open_coupon(2'000, 3);
  start_survivors();
  CrashVictim engine = engine_victim(kEnginePoints, times);
  CrashVictim consumer = consumer_victim(kConsumerPoints, times);
  start_crowd(600);
  CrashVictim* const victims[] = {&engine, &consumer};
  let_die(victims);
  judge();
  print(engine);
  print(consumer);
}

}  // namespace
}  // namespace flashclaim::chaos
