// Each function of the library, called as each of its users with the keys and arguments that the programs send: built
// by the same C++ functions, and far enough that every write of the function is done.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "engine/base/digest.h"
#include "engine/redis/functions.h"
#include "engine/redis/library.h"
#include "tests/access/world.h"
#include "tests/harness/witness.h"

namespace flashclaim::access {
namespace {

using redis::Client;
using Roles = std::set<std::string>;
constexpr const char* kRoles[] = {"engine", "mirror", "consumer", "admin"};
constexpr std::int64_t kHourMs = 3'600'000;

template <class T>
std::string said(const Result<T>& result) {
  return result ? std::string(redis::word(*result)) : result.error().message;
}
std::string said(const Result<bool>& result) {
  if (!result) return result.error().message;
  return *result ? "true" : "false";
}
std::string said(const Result<void>& result) { return result ? "done" : result.error().message; }

/// A coupon of the tester's in some state, and calls on it as somebody else.
class Coupon {
 public:
  Coupon(std::int64_t coupon_id, Client& tester)
      : id(coupon_id), keys(coupon_id), claim{coupon_id, 1, {1, 0}, 0}, tester_(tester) {}

  void published() { EXPECT_EQ(said(redis::apply_state(tester_, settings(1), true)), "APPLIED"); }
  /// Published, and users 7 and 8 have a claim in one entry.
  void claimed() {
    published();
    const redis::ClaimRequest two[] = {{7, "key-7"}, {8, ""}};
    const auto verdicts = redis::claim(tester_, id, two);
    ASSERT_TRUE(verdicts) << verdicts.error().message;
    ASSERT_EQ((*verdicts)[1].verdict, redis::Verdict::kAccepted);
    claim = (*verdicts)[1].claim;
  }
  /// Over, and nothing is in flight.
  void ended() {
    published();
    auto over = settings(2);
    over.status = "ended";
    EXPECT_EQ(said(redis::apply_state(tester_, over, false)), "APPLIED");
  }
  /// A rebuild has begun at epoch 2.
  void loading() {
    published();
    EXPECT_TRUE(redis::rebuild_freeze(tester_, id));
    EXPECT_EQ(said(redis::rebuild_begin(tester_, id, 2)), "BEGUN");
  }
  [[nodiscard]] redis::CouponSettings settings(std::int64_t version) const {
    const auto time = tester_.command({"TIME"});
    const std::int64_t now_ms = std::stoll(std::string((*time)[0].text())) * 1000;
    return {id, 1, version, "issuing", "calls", 10, 2, now_ms - kHourMs, now_ms + kHourMs, 1000};
  }
  [[nodiscard]] redis::FinishCall finishing() const { return {id, 1, claim.entry, 2, true, {{1, "over_limit"}}}; }
  void finished() { EXPECT_EQ(said(redis::finish(tester_, finishing())), "FINISHED"); }
  [[nodiscard]] redis::Snapshot seen() const { return redis::reconcile_snapshot(tester_, id).value().value(); }

  std::int64_t id;
  redis::CouponKeys keys;
  ClaimId claim;  ///< of user 8; before `claimed` of nobody

 private:
  Client& tester_;
};

/// One call of `function`: what the coupon must be before, who may do it, what it answers them.
struct Call {
  std::string function;
  Roles users;
  std::function<void(Coupon&)> before;
  std::function<std::string(Client&, Coupon&)> call;
  std::string answer;
};

std::string verdicts_of(Client& client, Coupon& coupon) {
  const redis::ClaimRequest asked[] = {{7, "key"}, {7, "key"}, {8, ""}};
  const auto verdicts = redis::claim(client, coupon.id, asked);
  if (!verdicts) return verdicts.error().message;
  std::string text;
  for (const auto& verdict : *verdicts) text += std::string(redis::word(verdict)) + ' ';
  return text;
}
std::string view_of_claim(Client& client, Coupon& coupon) {
  const auto view = redis::claim_view(client, coupon.claim);
  if (!view) return view.error().message;
  switch (view->state) {
    case redis::ClaimState::kPending:
      return "pending " + std::to_string(view->user_id);
    case redis::ClaimState::kRefused:
      return "refused " + view->reason;
    default:
      return "something else";
  }
}
std::string view_of_entry(Client& client, Coupon& coupon) {
  const std::string sum = checksum("1 7,8");
  redis::append_entry_view(client, {coupon.id, 1, coupon.claim.entry, sum});
  const auto state = redis::read_entry_view(client);
  if (!state) return state.error().message;
  return *state == redis::EntryState::kWaiting    ? "waiting"
         : *state == redis::EntryState::kFinished ? "finished"
                                                  : "something else";
}
std::string view_of_coupon(Client& client, Coupon& coupon) {
  redis::CouponView view;
  const auto state = redis::coupon_view(client, coupon.id, 7, view);
  if (!state) return state.error().message;
  return std::to_string(view.left) + " left, mine " + std::to_string(view.mine);
}
std::string user_counts_of(Client& client, Coupon& coupon) {
  const std::int64_t users[] = {7, 9};
  const EntryId in_flight[] = {coupon.claim.entry};
  const auto counts = redis::user_counts(client, coupon.id, coupon.claim.entry, users, in_flight);
  if (!counts) return counts.error().message;
  return counts->has_value() ? std::to_string((*counts)->counts[0]) : "none";
}
std::string raised(Client& client, Coupon& coupon) {
  auto more = coupon.settings(2);
  more.total = 20;
  return said(redis::apply_state(client, more, true));
}

void nothing(Coupon&) {}
void published(Coupon& coupon) { coupon.published(); }
void claimed(Coupon& coupon) { coupon.claimed(); }
void settled(Coupon& coupon) {
  coupon.claimed();
  coupon.finished();
}
void ended(Coupon& coupon) { coupon.ended(); }
void loading(Coupon& coupon) { coupon.loading(); }

std::vector<Call> claim_calls() {
  return {{"claim", {"engine"}, published, verdicts_of, "ACCEPTED REPLAYED ACCEPTED "},
          {"claim_view", {"engine", "admin"}, claimed, view_of_claim, "pending 8"},
          {"claim_view", {"engine", "admin"}, settled, view_of_claim, "refused over_limit"},
          {"claim_view", {"engine", "admin"}, published, view_of_claim, "something else"},
          {"entry_view", {"consumer", "admin"}, claimed, view_of_entry, "waiting"},
          {"entry_view", {"consumer", "admin"}, settled, view_of_entry, "finished"},
          {"coupon_view", {"engine", "consumer", "admin"}, claimed, view_of_coupon, "8 left, mine 1"},
          {"finish",
           {"consumer", "admin"},
           claimed,
           [](Client& as, Coupon& coupon) { return said(redis::finish(as, coupon.finishing())); },
           "FINISHED"},
          {"finish",
           {"consumer", "admin"},
           settled,
           [](Client& as, Coupon& coupon) { return said(redis::finish(as, coupon.finishing())); },
           "ABSENT"}};
}

std::vector<Call> state_calls() {
  return {{"apply_state",
           {"consumer", "admin"},
           nothing,
           [](Client& as, Coupon& coupon) { return said(redis::apply_state(as, coupon.settings(1), true)); },
           "APPLIED"},
          {"apply_state", {"consumer", "admin"}, claimed, raised, "APPLIED"},
          {"mark_ready", {"admin"}, nothing, [](Client& as, Coupon&) { return said(redis::mark_ready(as)); }, "done"},
          {"mark_dead",
           {"consumer", "admin"},
           claimed,
           [](Client& as, Coupon& coupon) { return said(redis::mark_dead(as, coupon.id, coupon.claim.entry)); },
           "true"},
          {"unmark_dead",
           {"admin"},
           claimed,
           [](Client& as, Coupon& coupon) { return said(redis::unmark_dead(as, coupon.id, coupon.claim.entry)); },
           "done"},
          {"mark_suspect",
           {"mirror", "admin"},
           published,
           [](Client& as, Coupon& coupon) { return said(redis::mark_suspect(as, coupon.id)); },
           "true"},
          {"retire_coupon",
           {"mirror", "admin"},
           ended,
           [](Client& as, Coupon& coupon) { return said(redis::retire_coupon(as, coupon.id)); },
           "true"},
          {"purge_coupon",
           {"admin"},
           ended,
           [](Client& as, Coupon& coupon) { return said(redis::purge_coupon(as, coupon.id)); },
           "PURGED"},
          {"flashclaim_version",
           {"engine", "consumer", "admin"},
           nothing,
           [](Client& as, Coupon&) {
             const auto library = redis::loaded_library(as);
             if (!library) return library.error().message;
             return std::string(library->has_value() ? "loaded" : "missing");
           },
           "loaded"}};
}

std::vector<Call> reconcile_calls() {
  return {{"reconcile_counters",
           {"consumer", "admin"},
           settled,
           [](Client& as, Coupon& coupon) {
             const auto seen = redis::reconcile_counters_since(as, coupon.id, 0);
             return seen ? std::to_string((*seen)->returned.size()) : seen.error().message;
           },
           "1"},
          {"reconcile_snapshot",
           {"consumer", "admin"},
           claimed,
           [](Client& as, Coupon& coupon) {
             const auto seen = redis::reconcile_snapshot(as, coupon.id);
             return seen ? std::to_string((*seen)->stock) : seen.error().message;
           },
           "8"},
          {"reconcile_fix",
           {"consumer", "admin"},
           claimed,
           [](Client& as, Coupon& coupon) { return said(redis::reconcile_fix(as, coupon.id, coupon.seen(), 1, 1)); },
           "FIXED"},
          {"user_counts", {"consumer", "admin"}, claimed, user_counts_of, "1"},
          {"user_counts_fix",
           {"consumer", "admin"},
           claimed,
           [](Client& as, Coupon& coupon) {
             const redis::UserDelta deltas[] = {{7, 1}, {8, -1}};  // one is set, the other deleted
             return said(redis::user_counts_fix(as, coupon.id, 1, coupon.seen().fix_seq, deltas));
           },
           "FIXED"}};
}

std::vector<Call> rebuild_calls() {
  return {{"rebuild_freeze",
           {"consumer", "admin"},
           claimed,
           [](Client& as, Coupon& coupon) {
             const auto entries = redis::rebuild_freeze(as, coupon.id);
             return entries ? std::to_string(*entries) : entries.error().message;
           },
           "1"},
          {"rebuild_begin",
           {"admin"},
           [](Coupon& coupon) { coupon.loading(); },
           [](Client& as, Coupon& coupon) { return said(redis::rebuild_begin(as, coupon.id, 3)); },
           "BEGUN"},
          {"rebuild_clear_users",
           {"admin"},
           loading,
           [](Client& as, Coupon& coupon) {
             const std::string users[] = {coupon.keys.user(7), coupon.keys.user(8)};
             return said(redis::rebuild_clear_users(as, coupon.id, 2, users));
           },
           "true"},
          {"rebuild_load_stock",
           {"admin"},
           loading,
           [](Client& as, Coupon& coupon) { return said(redis::rebuild_load_stock(as, coupon.id, 2, 10)); },
           "true"},
          {"rebuild_load_users",
           {"admin"},
           loading,
           [](Client& as, Coupon& coupon) {
             const redis::UserCount counts[] = {{7, 1}, {8, 2}};
             return said(redis::rebuild_load_users(as, coupon.id, 2, counts));
           },
           "true"},
          {"rebuild_open",
           {"admin"},
           loading,
           [](Client& as, Coupon& coupon) {
             auto settings = coupon.settings(2);
             settings.epoch = 2;
             if (!redis::rebuild_load_stock(as, coupon.id, 2, 10)) return std::string("no stock");
             return said(redis::rebuild_open(as, settings));
           },
           "OPEN"}};
}

const std::vector<Call>& calls() {
  static const std::vector<Call> kCalls = [] {
    std::vector<Call> all;
    for (auto* part : {claim_calls, state_calls, reconcile_calls, rebuild_calls})
      for (Call& call : part()) all.push_back(std::move(call));
    return all;
  }();
  return kCalls;
}

std::string printed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += word + ' ';
  return text;
}

/// True when Redis refused it for want of a right, before anything ran.
bool forbidden(Client& client, const std::string& command, const std::string& function) {
  return client.command({command, function, "0"})->error_code() == "NOPERM";
}

class RedisCalls : public ::testing::Test {
 protected:
  Client as(const std::string& role) { return World::get().redis(role); }

  Client tester_ = World::get().redis_superuser();
};

// A new function fails here until somebody decides who calls it, and with what.
TEST_F(RedisCalls, AreKnownForEachFunctionOfTheLibrary) {
  std::set<std::string> known;
  for (const Call& call : calls()) known.insert(call.function);
  const auto functions = redis::loaded_functions(tester_);
  ASSERT_TRUE(functions);
  EXPECT_EQ(known, std::set<std::string>(functions->begin(), functions->end()));
}

TEST_F(RedisCalls, AreAllowedToEachUserOfTheFunctionWithItsKeysAndWrites) {
  std::int64_t next = 5000;
  for (const Call& call : calls()) {
    for (const std::string& role : call.users) {
      Coupon coupon(next++, tester_);
      call.before(coupon);
      auto client = as(role);
      EXPECT_EQ(call.call(client, coupon), call.answer) << call.function << " as " << role;
    }
  }
  // What a function tries by pcall, and is denied, shows in the ACL LOG only: the witness of the harness reads it.
}

TEST_F(RedisCalls, AreDeniedToEveryOtherUser) {
  harness::announce_denial("NOPERM");
  std::map<std::string, Roles> users;
  for (const Call& call : calls()) users[call.function].insert(call.users.begin(), call.users.end());
  for (const char* role : kRoles) {
    auto client = as(role);
    for (const auto& [function, allowed] : users) {
      const bool may = !forbidden(client, "FCALL", function) || !forbidden(client, "FCALL_RO", function);
      EXPECT_EQ(may, allowed.contains(role)) << function << " as " << role;
    }
  }
}

// While an upgrade rolls, programs of the version before go on: they send views by FCALL (the answer may be any other).
TEST_F(RedisCalls, OfTheVersionBeforeAreStillAllowed) {
  const redis::CouponKeys keys(1);
  const std::map<std::string, std::vector<std::vector<std::string>>> sent = {
      {"engine", {{"FCALL", "coupon_view", "3", keys.coupon, keys.stock, "coupon:ready"}}},
      {"consumer",
       {{"FCALL", "coupon_view", "3", keys.coupon, keys.stock, "coupon:ready"},
        {"FCALL", "reconcile_snapshot", "1", keys.coupon},
        {"FCALL", "user_counts", "1", keys.coupon},
        {"FCALL", "flashclaim_version", "0"}}}};
  for (const auto& [role, commands] : sent) {
    auto client = as(role);
    for (const auto& command : commands)
      EXPECT_NE(client.command(command)->error_code(), "NOPERM") << printed(command) << "as " << role;
  }
}

}  // namespace
}  // namespace flashclaim::access
