// Several operators at once, on slow lines, during a sale: whatever they do, each of them is told the truth, nobody's
// change is lost, and afterwards Redis stands where the database is. A judge reads the log of operations.
#include <functional>
#include <map>
#include <mutex>
#include <random>

#include "engine/cli/times.h"
#include "engine/operations/dlq.h"
#include "engine/operations/user_keys.h"
#include "tests/harness/gate.h"
#include "tests/harness/logins.h"
#include "tests/integration/admin_stores.h"

namespace flashclaim::operations {
namespace {

/// What an operator was told.
struct Deed {
  std::string who;
  std::int64_t coupon = 0;
  std::string what;
  std::optional<std::int64_t> total;  ///< of an update: what was asked for
  std::int64_t seen = 0;              ///< of an update: the version that the operator had before the eyes
  Operated told;
};

class Operators : public Stores {
 protected:
  static constexpr int kCoupons = 4;
  static constexpr int kOperators = 4;

  void SetUp() override {
    Stores::SetUp();
    for (int i = 0; i < kCoupons; ++i) ids_.push_back(issue(5000, 1000));
    amqp();  // its topology
  }

  /// One operator: as many random commands as asked for, with Redis at the end of a slow line.
  void operate(unsigned seed, int commands) {
    harness::Gate gate(harness::PrivateRedis::shared().port());
    auto redis =
        std::move(redis::Client::connect(gate.through(harness::as("admin", redis_url())), std::chrono::seconds(30)))
            .value();
    const auto pg = new_pg();
    const std::string who = "operator-" + std::to_string(seed);
    ASSERT_TRUE(postgres::act_as(*pg, who));
    std::mt19937 random(seed);
    for (int i = 0; i < commands; ++i) {
      gate.set(harness::GateMode::kDelay, static_cast<std::int64_t>(random() % 8));
      Deed deed{who, ids_[random() % ids_.size()], "", {}, 0, {}};
      const auto told = command(redis, *pg, random, deed);
      ASSERT_TRUE(told) << deed.what << ": " << told.error().message;
      deed.told = *told;
      const std::lock_guard lock(mutex_);
      deeds_.push_back(std::move(deed));
    }
  }

  Result<Operated> command(redis::Client& redis, postgres::Session& pg, std::mt19937& random, Deed& deed) {
    const auto roll = random() % 1000;
    if (roll < 450) return update(redis, pg, random, deed);
    if (roll < 600) return pause_coupon(redis, pg, named(deed, "pause"));
    if (roll < 800) return resume_coupon(redis, pg, named(deed, "resume"));
    if (roll < 808) return end_coupon(redis, pg, named(deed, "end"));
    if (roll < 840) return purge_coupon(redis, pg, named(deed, "purge"));
    if (roll < 860) return publish_coupon(redis, pg, named(deed, "publish"));
    named(deed, "repair");
    const auto repaired = roll < 910   ? rebuild(redis, pg, deed.coupon)
                          : roll < 955 ? mend(redis, pg, deed.coupon)
                                       : letters(redis, pg, deed.coupon, roll % 2 == 0);
    if (!repaired) return repaired.error();
    return Operated{};
  }
  static std::int64_t named(Deed& deed, std::string what) {
    deed.what = std::move(what);
    return deed.coupon;
  }
  static Result<Operated> update(redis::Client& redis, postgres::Session& pg, std::mt19937& random, Deed& deed) {
    const auto state = postgres::coupon_state(pg, named(deed, "update"));
    if (!state) return state.error().as_error();
    CouponChange change;
    change.seen = deed.seen = (*state)->version;
    switch (random() % 4) {
      case 0:
        change.user_limit = (*state)->user_limit + 1;
        break;
      case 1:
        change.end_ms = (*state)->end_ms + 1000;
        break;
      default:
        change.total = deed.total = (*state)->target_total + static_cast<std::int64_t>(random() % 400) - 150;
    }
    return update_coupon(redis, pg, deed.coupon, change, std::chrono::milliseconds(random() % 2 == 0 ? 0 : 2000));
  }
  static Result<void> rebuild(redis::Client& redis, postgres::Session& pg, std::int64_t coupon) {
    RebuildOptions options;
    options.drain = std::chrono::seconds(2);
    const auto report = rebuild_coupon(redis, pg, coupon, options);
    return report ? Result<void>() : Result<void>(report.error());
  }
  static Result<void> mend(redis::Client& redis, postgres::Session& pg, std::int64_t coupon) {
    ReconcileOptions options;
    options.fix = true;
    const auto report = reconcile(redis, pg, coupon, options);
    return report ? Result<void>() : Result<void>(report.error());
  }
  Result<void> letters(redis::Client& redis, postgres::Session& pg, std::int64_t coupon, bool replay) {
    auto amqp = amqp::Connection::open(harness::as("admin", amqp_url()), {.name = "operator", .deadline_ms = 60000});
    if (!amqp) return amqp.error();
    if (const auto confirms = (*amqp)->enable_confirms(); !confirms) return confirms.error();
    DlqFilter filter;
    filter.coupon_id = coupon;
    const auto report = replay ? replay_dead(redis, pg, **amqp, filter) : reject_dead(redis, pg, **amqp, filter);
    return report ? Result<void>() : Result<void>(report.error());
  }

  /// The crowd: claims of any coupon; some entries become dead letters without a letter.
  void sell() {
    auto engine = redis::Client::connect(harness::as("engine", redis_url()), std::chrono::seconds(30)).value();
    const auto redis = new_redis();
    std::mt19937 random(7);
    while (selling_) {
      const auto coupon = ids_[random() % ids_.size()];
      std::vector<redis::ClaimRequest> requests;
      for (int i = 0; i < 4; ++i) requests.push_back({1 + static_cast<std::int64_t>(random() % 50), ""});
      const auto verdicts = redis::claim(engine, coupon, requests);
      for (std::size_t i = 0; verdicts && i < requests.size(); ++i) {
        if ((*verdicts)[i].verdict != redis::Verdict::kAccepted) continue;
        acknowledged_.push_back({(*verdicts)[i].claim, requests[i].user_id});
        if (random() % 50 != 0) continue;
        EXPECT_TRUE(redis::mark_dead(*redis, coupon, (*verdicts)[i].claim.entry));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  void settle_all() {
    const auto redis = new_redis();
    const auto pg = new_pg();
    while (settling_) {
      for (const std::int64_t id : ids_) settle_some(*redis, *pg, id);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  void run(int commands) {
    std::thread crowd([this] { sell(); });
    std::thread settler([this] { settle_all(); });
    std::vector<std::thread> operators;
    for (unsigned seed = 1; seed <= kOperators; ++seed) {
      operators.emplace_back([this, seed, commands] { operate(seed, commands); });
    }
    for (std::thread& one : operators) one.join();
    selling_ = false;
    crowd.join();
    for (const std::int64_t id : ids_) EXPECT_TRUE(letters(redis(), pg(), id, false));
    settling_ = false;
    settler.join();
    for (const std::int64_t id : ids_) settle(id);
  }

  std::vector<postgres::CouponEvent> log_of(std::int64_t id) {
    const auto events = postgres::coupon_events(pg(), id, 100'000);
    EXPECT_TRUE(events);
    return events ? std::vector(events->rbegin(), events->rend()) : std::vector<postgres::CouponEvent>();
  }

  /// What is wrong with the log, one line each.
  std::vector<std::string> judge_log(std::int64_t id) {
    std::vector<std::string> wrong;
    std::map<std::int64_t, const Deed*> by_version;
    for (const Deed& deed : deeds_) {
      if (deed.coupon == id && deed.told.version > 0) by_version[deed.told.version] = &deed;
    }
    const auto log = log_of(id);
    for (std::size_t i = 2; i < log.size(); ++i) {  // the test itself created and published it
      const postgres::CouponEvent& event = log[i];
      const postgres::CouponState& before = log[i - 1].state;
      const auto told = by_version.find(event.version);
      const auto at = "coupon " + std::to_string(id) + " version " + std::to_string(event.version) + ": ";
      if (told != by_version.end()) {
        const Deed& deed = *told->second;
        if (deed.who != event.actor) wrong.push_back(at + deed.who + " was told what " + event.actor + " did");
        if (deed.what != event.operation)
          wrong.push_back(at + deed.what + " was told, " + event.operation + " is there");
        if (deed.total && *deed.total != event.state.target_total) wrong.push_back(at + "another total than asked for");
        if (deed.seen > 0 && deed.seen + 1 != event.version) wrong.push_back(at + "it had read another version");
        by_version.erase(told);
        continue;
      }
      const bool total_moved = event.state.target_total != before.target_total;
      const bool takes_back = before.target_total < before.total_num && event.state.target_total == before.total_num;
      const bool status_moved = event.state.status != before.status;
      if ((total_moved && !takes_back) || status_moved) {
        wrong.push_back(at + event.operation + " by " + event.actor + " changed it, and nobody was told so");
      }
    }
    for (const auto& [version, deed] : by_version) {
      wrong.push_back("coupon " + std::to_string(id) + ": version " + std::to_string(version) + ", told to " +
                      deed->who + ", is not in the log");
    }
    return wrong;
  }

  std::vector<std::int64_t> ids_;
  std::mutex mutex_;
  std::vector<Deed> deeds_;
  std::vector<Acknowledged> acknowledged_;
  std::atomic<bool> selling_{true};
  std::atomic<bool> settling_{true};
};

TEST_F(Operators, AreToldTheTruthAndLoseNothing) {
  run(60);
  std::map<Effect, int> effects;
  for (const Deed& deed : deeds_) ++effects[deed.told.effect];
  EXPECT_GT(effects[Effect::kDone], 20);
  EXPECT_GT(effects[Effect::kRefused], 0);
  for (const std::int64_t id : ids_) {
    for (const std::string& wrong : judge_log(id)) ADD_FAILURE() << wrong;
    const auto state = postgres::coupon_state(pg(), id);
    ASSERT_TRUE(state && state->has_value());
    if ((*state)->status == postgres::CouponStatus::kPurged) {
      const auto left = redis::ok(redis().command({"EXISTS", redis::CouponKeys(id).coupon}));
      ASSERT_TRUE(left);
      EXPECT_EQ(left->integer(), 0) << "coupon " << id << " is purged";
      continue;
    }
    ASSERT_TRUE(rebuild(redis(), pg(), id));  // one may have been left frozen: it says so, and this is the way out
    CheckOptions options;
    for (const Acknowledged& one : acknowledged_)
      if (one.claim.coupon_id == id) options.acknowledged.push_back(one);
    for (const Violation& violation : judge(id, options).violations) {
      ADD_FAILURE() << "coupon " << id << " INV-" << violation.invariant << ": " << violation.text;
    }
  }
}

/// Without the compare-and-set the judge must find what is lost.
TEST_F(Operators, ControlWithoutCompareAndSetIsFoundOut) {
  sql(R"sql(DO $$
    DECLARE v record;
    BEGIN
      FOR v IN SELECT pg_get_functiondef(oid) AS text FROM pg_proc WHERE proname = 'update_coupon' LOOP
        EXECUTE replace(v.text, 'state.version <> p_version', 'false');
      END LOOP;
    END $$)sql");
  const auto found = [&] {
    for (const std::int64_t id : ids_)
      if (!judge_log(id).empty()) return true;
    return false;
  };
  for (int round = 0; round < 10 && !found(); ++round) {
    selling_ = settling_ = true;
    run(40);
  }
  EXPECT_TRUE(found());
}

}  // namespace
}  // namespace flashclaim::operations
