// Negative controls: the same scene twice, with a guard and without it. With it every invariant holds; without it the
// checker must say which one does not. A checker that never fails proves nothing.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/chaos/crash_world.h"

namespace flashclaim::chaos {

/// Parameter: whether the guard is removed.
class Control : public CrashWorld, public ::testing::WithParamInterface<bool> {
 protected:
  void TearDown() override;
  static bool removed() { return GetParam(); }

  // Taking the guard out. `always`: out in both runs, because it alone would heal what the guard prevents.
  /// guard_removed() in every program started from here; names joined by commas.
  void without(const std::string& guards, const std::string& always = "");
  /// In the Lua library: `text`, which must stand there exactly once, becomes `by`.
  void without_lua(std::string_view text, std::string_view by);
  void always_without_lua(std::string_view text, std::string_view by);
  /// In that function as the migrations leave it: the same, for each pair of texts.
  using Edits = std::vector<std::pair<std::string_view, std::string_view>>;
  void without_sql(std::string_view function, const Edits& edits);
  void always_without_sql(std::string_view function, const Edits& edits);

  // What the scenes share.
  /// One claim of each of these users, in this order, accepted or refused.
  void claim_for(std::int64_t coupon, const std::vector<std::int64_t>& users);
  /// `claims` accepted claims of users 1..claims, each an entry of its own.
  void accept_some(std::int64_t coupon, int claims);
  /// The engine, a coupon of 100, a user's limit of 1, and that many accepted claims, which RabbitMQ has confirmed.
  std::int64_t mirrored(int claims);
  /// Until the mirror has read everything and `pending` entries are not acknowledged.
  void await_mirror(std::int64_t coupon, std::int64_t pending = 0);
  /// A consumer of one worker, which dies at that point.
  void let_consumer_die_at(const std::string& point);
  /// Starts a consumer of one worker and sees one more claim through: all that was queued before it has been taken.
  void consume_everything(std::int64_t coupon);
  /// The entries of a coupon's stream as messages.
  std::vector<mirror::EntryMessage> entries(std::int64_t coupon);
  /// With the guard: rest, and no violation. Without: a violation of that invariant with these words in it.
  void verdict(int invariant, std::string_view words);

 private:
  void load_lua(const std::string& code);
  bool lua_altered_ = false;
};

#define FLASHCLAIM_CONTROL(suite)                                                   \
  INSTANTIATE_TEST_SUITE_P(Guard, suite, ::testing::Bool(), [](const auto& given) { \
    return given.param ? std::string("Removed") : std::string("InPlace");           \
  })

}  // namespace flashclaim::chaos
