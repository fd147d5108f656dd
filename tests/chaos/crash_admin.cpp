// flashctl dies at every point of its operations while claims flow, and is repeated until it succeeds.
#include <spdlog/fmt/fmt.h>

#include "engine/operations/reconcile.h"
#include "engine/postgres/ledger.h"
#include "tests/chaos/crash_points.h"
#include "tests/chaos/crash_world.h"
#include "tests/harness/witness.h"

namespace flashclaim::chaos {
namespace {

using Words = std::vector<std::string>;

class CrashAdmin : public CrashWorld {
 protected:
  void SetUp() override {
    CrashWorld::SetUp();
    coupon_ = open_coupon(total_, 1'000'000);
    start_survivors();
    start_crowd(200, 300);
  }
  Words coupon_verb(const char* verb) const { return {"coupon", verb, std::to_string(coupon_)}; }
  Words new_total(std::int64_t change) {
    total_ += change;
    return {"coupon", "update", std::to_string(coupon_), fmt::format("--total={}", total_), "--yes"};
  }
  Words publish_new() {
    const auto id = std::to_string(1 + postgres::highest_coupon_id(pg()).value());
    flashctl({"coupon", "create", "--id", id, "--name=new", "--total=5", "--user-limit=1", "--begin=now", "--end=+1h"});
    coupons_.push_back(std::stoll(id));
    return {"coupon", "publish", id};
  }
  /// A coupon whose cache has fewer units than the database thinks, so that a cut is refused there.
  Words too_deep_a_cut() {
    const auto coupon = open_coupon(100, 5);
    redis_number({"DECRBY", redis::CouponKeys(coupon).stock, "80"});
    short_coupons_.push_back(coupon);
    return {"coupon", "update", std::to_string(coupon), "--total=50", "--yes"};
  }
  /// An ended coupon with settled claims; nobody will ask for them again.
  Words purge_of_an_ended_one() {
    const auto coupon = open_coupon(50, 1);
    for (std::int64_t user = 1; user <= 3; ++user) EXPECT_EQ(claim(coupon, user).status, 202);
    flashctl({"coupon", "end", std::to_string(coupon), "--yes"});
    EXPECT_TRUE(wait_until([&] { return redis_number({"XLEN", redis::CouponKeys(coupon).claims}) == 0; }));
    return {"coupon", "purge", std::to_string(coupon), "--yes"};
  }
  /// A count that is too high and far from the limit, and units that nobody has: a drift that refuses nobody.
  void drift() {
    const redis::CouponKeys keys(coupon_);
    std::vector<postgres::UserCount> users;
    ASSERT_TRUE(wait_until([&] {
      users = postgres::user_counts(pg(), coupon_, 0, 100).value();
      return !users.empty();
    }));
    redis_number({"INCRBY", keys.user(users[random_() % users.size()].user_id), "3"});
    redis_number({"INCRBY", keys.stock, "7"});
  }
  /// An operation that reached the database only.
  void half_an_operation() {
    paused_ = !paused_;
    harness::Environment armed = environment_;
    armed["FLASHCLAIM_CRASH"] = "admin.operate.committed:1";
    EXPECT_EQ(harness::run_program(programs_ + "flashctl", coupon_verb(paused_ ? "pause" : "resume"), armed).exit_code,
              137);
  }
  enum class Harm { kDrift, kHalfAnOperation };
  void do_harm(Harm harm) { harm == Harm::kDrift ? drift() : half_an_operation(); }
  Words reconcile_after(Harm harm) {
    do_harm(harm);
    return {"reconcile", std::to_string(coupon_), "--fix", "--yes"};
  }
  [[nodiscard]] bool suspected() { return redis_number({"HGET", redis::CouponKeys(coupon_).coupon, "suspect"}) > 0; }
  /// For the reconcilers: the next harm when the last is mended to the end, whoever died over it.
  void harm_and_suspect(Harm harm) {
    if (suspected()) return;
    const auto mended = operations::reconcile(admin_redis(), admin_pg(), coupon_, {});
    ASSERT_TRUE(mended);
    EXPECT_EQ(mended->outcome, operations::ReconcileOutcome::kExact) << operations::word(mended->outcome);
    EXPECT_FALSE(mended->state_behind);
    do_harm(harm);
    redis_text({"FCALL", "mark_suspect", "1", redis::CouponKeys(coupon_).coupon});
  }

  std::int64_t coupon_ = 0;
  std::int64_t total_ = 10'000'000;
  bool paused_ = false;
  std::vector<std::int64_t> short_coupons_;
};

TEST_F(CrashAdmin, OperationsAreCompletedByTheirRepetition) {
  const int times = crashes_wanted(2);
  int turn = 0;
  const auto operate = [&]() -> Words {
    if (++turn % 3 == 0) return publish_new();
    return coupon_verb(turn % 3 == 1 ? "pause" : "resume");
  };
  crash_flashctl("admin.operate.committed", times, operate);
  crash_flashctl("admin.operate.told", times, operate);
  flashctl(coupon_verb("resume"));
  for (const char* point : {"admin.update.committed", "admin.update.told"})
    crash_flashctl(point, times, [&] { return new_total(+100); });
  for (const char* point : {"admin.cut.drained", "admin.cut.committed", "admin.cut.told"})
    crash_flashctl(point, times, [&] { return new_total(-50); });
  // After a crash the reconciler may come first: it names the cut, or has found the missing units, and then it fits.
  harness::announce_error("coupon_passed_by");
  for (const char* point : {"admin.cut.refused", "admin.cut.taken_back"})
    crash_flashctl(point, times, [&] { return too_deep_a_cut(); }, {4, 0});
  for (const char* point : {"admin.purge.committed", "admin.purge.cleared", "admin.purge.told"})
    crash_flashctl(point, times, [&] { return purge_of_an_ended_one(); });
  for (const auto coupon : short_coupons_) flashctl({"reconcile", std::to_string(coupon), "--fix", "--yes"});
  judge();
  EXPECT_EQ(postgres::coupon_state(pg(), coupon_).value().value().total_num, total_);
}

TEST_F(CrashAdmin, ReconcileMendsExactlyWhereverItDies) {
  const int times = crashes_wanted(2);
  for (const auto point : kReconcilePoints)
    if (point != "reconcile.state.told") crash_flashctl(point, times, [&] { return reconcile_after(Harm::kDrift); });
  crash_flashctl("reconcile.state.told", times, [&] { return reconcile_after(Harm::kHalfAnOperation); });
  flashctl(coupon_verb("resume"));
  judge();
}

/// Two consumers have reconcilers, of which one at a time works; the one that works dies.
TEST_F(CrashAdmin, SuspectsAreMendedExactlyWhereverAMenderDies) {
  CrashVictim consumer = consumer_victim(kReconcilePoints, crashes_wanted(1), 1);
  CrashVictim* const victims[] = {&consumer};
  auto unchosen = std::chrono::steady_clock::now();
  let_die(victims, [&] {
    if (const auto now = std::chrono::steady_clock::now(); now - unchosen > std::chrono::seconds(1)) {
      unchosen = now;  // whoever else mends loses its session, and the lock with it
      sql(fmt::format(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%-reconciler' "
          "AND application_name <> 'flashclaim-consumer-{}-reconciler'",
          consumer.pid()));
    }
    harm_and_suspect(consumer.point() == "reconcile.state.told" ? Harm::kHalfAnOperation : Harm::kDrift);
  });
  for (const auto& [point, count] : consumer.hits()) fmt::print("  {:28} {}\n", point, count);
  flashctl(coupon_verb("resume"));
  EXPECT_TRUE(wait_until([&] { return !suspected(); })) << "no reconciler is left";
  harm_and_suspect(Harm::kDrift);
  EXPECT_TRUE(wait_until([&] { return !suspected(); })) << "no reconciler is left";
  judge();
}

TEST_F(CrashAdmin, RebuildLosesNothingWhereverItDies) {
  const int times = crashes_wanted(2);
  ASSERT_TRUE(wait_until([&] { return counts(coupon_).rows > 500; }));
  for (const auto point : kRebuildPoints)
    crash_flashctl(point, times, [&]() -> Words {
      return {"rebuild", std::to_string(coupon_), "--queue-quiet=0", "--yes"};
    });
  judge();
}

}  // namespace
}  // namespace flashclaim::chaos
