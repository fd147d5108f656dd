// The stage of the crash tests: the whole path twice over, one engine and one consumer of which die again and again at
// a named point, a crowd that claims all the while, and the checker at the end.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mirror/message.h"
#include "tests/harness/crowd.h"
#include "tests/harness/whole_path.h"

namespace flashclaim::chaos {

/// How often each point is to be hit: FLASHCLAIM_CRASHES, else `otherwise`.
int crashes_wanted(int otherwise);

/// A program that is started to die at one point after the other, each `times` times.
class CrashVictim {
 public:
  /// `n_max`: it dies at the n-th passing, n at random in 1..n_max. Without points it just runs.
  CrashVictim(std::string program, std::vector<std::string> flags, harness::Environment environment,
              std::span<const std::string_view> points, int times, int n_max, std::uint64_t seed);
  /// Looks whether it has died, and starts it again. False once every point was hit often enough: then it runs on,
  /// unharmed. A death of any other cause is a failure of the test.
  bool step();
  [[nodiscard]] const std::map<std::string, int>& hits() const { return hits_; }
  [[nodiscard]] std::string output() const { return process_ == nullptr ? "" : process_->output(); }
  [[nodiscard]] const std::string& point() const { return point_; }
  [[nodiscard]] pid_t pid() const { return process_ == nullptr ? -1 : process_->pid(); }

 private:
  void start();

  const std::string program_;
  const std::vector<std::string> flags_;
  const harness::Environment environment_;
  std::vector<std::string> agenda_;  ///< what is still to be hit; the last one comes next
  std::string point_;                ///< where the running one will die; empty: nowhere
  int n_max_;
  std::mt19937_64 random_;
  std::map<std::string, int> hits_;
  std::unique_ptr<harness::Process> process_;
};

class CrashWorld : public WholePath {
 protected:
  void SetUp() override;
  void TearDown() override;

  CrashVictim engine_victim(std::span<const std::string_view> points, int times);
  CrashVictim consumer_victim(std::span<const std::string_view> points, int times, int n_max = 5);
  /// The second engine and the second consumer, which live.
  void start_survivors();
  void start_crowd(int per_second, std::int64_t users = 1000);
  /// Steps the victims until each has died often enough; `meanwhile` is called all the time.
  void let_die(std::span<CrashVictim* const> victims, const std::function<void()>& meanwhile = {});
  /// `scene()` sets something up and gives the words of a flashctl command; the command dies at the point, is repeated,
  /// dies again or not, by chance, and is repeated until it ends with one of `expected`; then the next scene, until the
  /// point was hit `times` times.
  void crash_flashctl(std::string_view point, int times, const std::function<std::vector<std::string>()>& scene,
                      const std::set<int>& expected = {0});
  /// Repeats the command until it ends with `expected`, as a patient operator would.
  void flashctl(const std::vector<std::string>& words, int expected = 0);
  /// One claim of a user that no crowd has, accepted by the survivor and judged at the end.
  ClaimId accept(std::int64_t coupon, std::int64_t user);
  /// These messages once more, as if each had failed so often before.
  void deliver(std::span<const mirror::EntryMessage> messages, int attempts);
  /// From now on the database takes no row of these users (trigger `poison`): their messages are at fault.
  void poison_users_from(std::int64_t first);
  /// Statements for the database, such as no program of ours would give.
  void sql(const std::string& statements);

  /// No more claims; everything comes to rest; every 202 is one row, one recorded refusal or one dead claim, and every
  /// row is somebody's 202.
  operations::CheckReport judge();

  std::uint64_t seed_ = 0;  ///< FLASHCLAIM_SEED, else by the clock; printed
  std::mt19937_64 random_;
  std::unique_ptr<harness::Crowd> crowd_;

 private:
  /// Its exit code; printed and failed when it does not become 137 or one of `expected`.
  int run_flashctl(const std::vector<std::string>& words, const harness::Environment& environment,
                   const std::set<int>& expected);

  int engine_port_ = 0;
  int victim_port_ = 0;
  std::unique_ptr<harness::Process> survivor_engine_;
  std::unique_ptr<harness::Process> survivor_consumer_;
};

}  // namespace flashclaim::chaos
