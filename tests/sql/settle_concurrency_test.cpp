// Many sessions at once: no oversell, no deadlock, one outcome per claim, and no read that is older than a lock.
#include <algorithm>
#include <random>
#include <thread>

#include "tests/harness/wait.h"
#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

using harness::wait_until;

class SettleConcurrency : public SqlTest {
 protected:
  /// Runs `work(session, worker)` in `workers` threads, each with a session of its own, started together.
  template <class Work>
  void together(int workers, Work work) {
    std::vector<std::unique_ptr<Session>> sessions;
    for (int i = 0; i < workers; ++i) sessions.push_back(connect("worker"));
    std::vector<std::thread> threads;
    for (int i = 0; i < workers; ++i) threads.emplace_back([&, i] { work(*sessions[static_cast<std::size_t>(i)], i); });
    for (auto& thread : threads) thread.join();
  }

  std::string deadlocks() { return query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); }

  /// True once `count` sessions named `name` wait for a lock.
  bool waiting(std::string_view name, int count) {
    return wait_until([&] {
      return query("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = '" +
                   std::string(name) + "'") == std::to_string(count);
    });
  }
};

TEST_F(SettleConcurrency, NeverSellsMoreThanTheTotal) {
  constexpr int kWorkers = 8, kBatches = 12, kBatch = 40;
  const auto id = coupon(1000, 1);  // 3,840 claims want it
  std::atomic<int> settled = 0, refused = 0, failed = 0;
  together(kWorkers, [&](Session& own, int worker) {
    for (int b = 0; b < kBatches; ++b) {
      std::vector<SettleClaim> batch;
      for (int i = 0; i < kBatch; ++i)
        batch.push_back(claim(id, 1 + (worker * kBatches + b) * kBatch + i, 1000 + worker, i, b));
      auto answer = settle_claims(own, batch);
      if (!answer)
        ++failed;
      else
        for (const Settled& one : *answer) ++(one.outcome == Outcome::kSettled ? settled : refused);
    }
  });
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(settled, 1000);
  EXPECT_EQ(refused, kWorkers * kBatches * kBatch - 1000);
  expect_books(id, 1000, kWorkers * kBatches * kBatch - 1000);
}

TEST_F(SettleConcurrency, NeverGivesAUserMoreThanTheLimit) {
  const auto id = coupon(100'000, 3);
  together(6, [&](Session& own, int worker) {
    for (int b = 0; b < 20; ++b) {
      std::vector<SettleClaim> batch;  // everybody claims for the same 20 users
      for (int i = 0; i < 20; ++i) batch.push_back(claim(id, 1 + i, 1000 + worker, i, b));
      EXPECT_TRUE(settle_claims(own, batch));
    }
  });
  for (int user = 1; user <= 20; ++user) EXPECT_EQ(ordinals(id, user), (std::vector{1, 2, 3}));
  expect_books(id, 60, 6 * 20 * 20 - 60);
}

TEST_F(SettleConcurrency, OppositeOrdersDoNotDeadlock) {
  const std::string before = deadlocks();
  const std::int64_t ids[] = {coupon(100'000, 1000), coupon(100'000, 1000), coupon(50, 1000)};
  std::atomic<int> failed = 0;
  together(6, [&](Session& own, int worker) {
    std::mt19937 random(static_cast<unsigned>(worker));
    for (int b = 0; b < 25; ++b) {
      std::vector<SettleClaim> batch;
      for (int i = 0; i < 60; ++i) batch.push_back(claim(ids[i % 3], 1 + i, 1000 + worker, i, b));
      if (worker % 2)
        std::reverse(batch.begin(), batch.end());
      else
        std::shuffle(batch.begin(), batch.end(), random);
      if (!settle_claims(own, batch)) ++failed;
    }
  });
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(deadlocks(), before);
  expect_books(ids[2], 50, 6 * 25 * 20 - 50);
}

// Two claims a batch, of users of their own: the stripes keep nobody apart, and only the order of the coupons does.
TEST_F(SettleConcurrency, CouponRowsAreTakenInIdOrder) {
  const std::string before = deadlocks();
  const std::int64_t ids[] = {coupon(100'000, 1), coupon(100'000, 1), coupon(100'000, 1)};
  std::atomic<int> failed = 0;
  together(6, [&](Session& own, int worker) {
    for (int b = 0; b < 60; ++b) {
      std::vector<SettleClaim> batch;
      for (int i = 0; i < 3; ++i)
        batch.push_back(claim(ids[(worker + i) % 3], 1 + (worker * 60 + b) * 3 + i, 1000 + b, i, worker));
      if (!settle_claims(own, batch)) ++failed;
    }
  });
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(deadlocks(), before);
  for (std::int64_t id : ids) expect_books(id, 6 * 60, 0);
}

TEST_F(SettleConcurrency, TheSameClaimsInTwoConsumersGetOneOutcomeEach) {
  const auto id = coupon(150, 1);
  std::vector<SettleClaim> batch;
  for (int i = 0; i < 300; ++i) batch.push_back(claim(id, 1 + i % 200, 1000 + i / 64, i % 64));
  std::vector<std::vector<Settled>> answers(4);
  together(4, [&](Session& own, int worker) {
    auto mine = batch;
    if (worker % 2) std::reverse(mine.begin(), mine.end());
    auto answer = settle_claims(own, mine);
    ASSERT_TRUE(answer) << answer.error().message;
    if (worker % 2) std::reverse(answer->begin(), answer->end());
    answers[static_cast<std::size_t>(worker)] = *answer;
  });
  for (std::size_t i = 0; i < batch.size(); ++i) {
    int fresh = 0;
    for (const auto& answer : answers) {
      fresh += answer[i].fresh;
      EXPECT_EQ(is_settled(answer[i].outcome), is_settled(answers[0][i].outcome));
      if (!is_settled(answer[i].outcome)) {
        EXPECT_EQ(answer[i].outcome, answers[0][i].outcome);
      }
    }
    EXPECT_EQ(fresh, 1);
  }
  expect_books(id, 150, 150);
}

// INV-3. One consumer has an outcome for the claim and has not committed it yet; a second one waits with the same
// claim. If it had read before its wait, the claim would be rejected and settled.
TEST_F(SettleConcurrency, ReadsOnlyAfterItsLocks) {
  const auto id = coupon(10, 1);
  auto first = connect("first"), second = connect("second");
  const std::string call =
      "SELECT outcome FROM settle_claims('{" + std::to_string(id) + "}','{1}','{1001}','{0}','{0}','{8}','";
  query(*first, "BEGIN");
  EXPECT_EQ(query(*first, call + "reject')"), "rejected");
  std::string outcome;
  std::thread redelivered([&] { outcome = query(*second, call + "settle')"); });
  ASSERT_TRUE(waiting("second", 1));
  query(*first, "COMMIT");
  redelivered.join();
  EXPECT_EQ(outcome, "rejected");
  expect_books(id, 0, 1);
}

// The same with a refusal for want of stock, and a restock before the redelivery gets its turn.
TEST_F(SettleConcurrency, ARestockDoesNotReviveWhatIsRefused) {
  const auto id = coupon(1, 1);
  EXPECT_EQ(settle({claim(id, 7, 1000)}), Words{"settled*"});
  auto first = connect("first"), second = connect("second");
  const std::string call =
      "SELECT outcome FROM settle_claims('{" + std::to_string(id) + "}','{1}','{1001}','{0}','{0}','{8}')";
  query(*first, "BEGIN");
  EXPECT_EQ(query(*first, call), "out_of_stock");
  std::string outcome;
  std::thread redelivered([&] { outcome = query(*second, call); });
  ASSERT_TRUE(waiting("second", 1));
  query(*first, "UPDATE coupon SET total_num = 2, target_total = 2 WHERE id = " + std::to_string(id));
  query(*first, "COMMIT");
  redelivered.join();
  EXPECT_EQ(outcome, "out_of_stock");
  expect_books(id, 1, 1);
}

// The same id with two users: other stripes for the users, but one for the entry.
TEST_F(SettleConcurrency, OneIdWithTwoUsersWaitsForTheFirst) {
  const auto id = coupon(10, 1);
  auto first = connect("first"), second = connect("second");
  const std::string call =
      "SELECT outcome FROM settle_claims('{" + std::to_string(id) + "}','{1}','{1000}','{0}','{0}','{";
  query(*first, "BEGIN");
  EXPECT_EQ(query(*first, call + "7}')"), "settled");
  std::string outcome;
  std::thread redelivered([&] { outcome = query(*second, call + "8}')"); });
  ASSERT_TRUE(waiting("second", 1));
  query(*first, "COMMIT");
  redelivered.join();
  EXPECT_EQ(outcome, "id_conflict");
  expect_books(id, 1, 0);
}

// The batch was judged to fit; another one takes the stock before it reaches the coupon's row: back to the savepoint.
TEST_F(SettleConcurrency, GoesBackToTheSavepointWhenTheCouponMoved) {
  const auto id = coupon(3, 1);
  auto first = connect("first"), second = connect("second");
  const std::string row = " WHERE id = " + std::to_string(id);
  const auto call = [&](const char* ms, const char* users) {
    return "SELECT string_agg(outcome, ' ' ORDER BY n) FROM settle_claims('{" + std::to_string(id) + "," +
           std::to_string(id) + "}','{1,1}','{" + ms + "}','{0,0}','{0,0}','{" + users + "}')";
  };
  query(*first, "BEGIN");
  EXPECT_EQ(query(*first, call("1000,1001", "7,8")), "settled settled");
  std::string outcome;
  std::thread late([&] { outcome = query(*second, call("1003,1002", "9,10")); });
  ASSERT_TRUE(waiting("second", 1));
  EXPECT_EQ(query("SELECT issue_num FROM coupon" + row), "0");
  query(*first, "COMMIT");
  late.join();
  EXPECT_EQ(outcome, "out_of_stock settled");
  expect_books(id, 3, 1);
}

TEST_F(SettleConcurrency, AnEpochThatRisesUnderwayRefuses) {
  const auto id = coupon(3, 1);
  auto admin = connect("admin"), second = connect("second");
  query(*admin, "BEGIN");
  query(*admin, "SELECT begin_rebuild(" + std::to_string(id) + ")");
  std::string outcome;
  std::thread late([&] {
    outcome = query(
        *second, "SELECT outcome FROM settle_claims('{" + std::to_string(id) + "}','{1}','{1000}','{0}','{0}','{7}')");
  });
  ASSERT_TRUE(waiting("second", 1));
  query(*admin, "COMMIT");
  late.join();
  EXPECT_EQ(outcome, "stale_epoch");
  expect_books(id, 0, 1);
}

TEST_F(SettleConcurrency, LocksAtMost1024StripesInOrder) {
  EXPECT_EQ(query("SELECT (count(*) <= 1024 AND count(*) > 900 AND min(s) >= 0 AND max(s) <= 1023 AND "
                  "array_agg(s ORDER BY n) = array_agg(s ORDER BY s) AND count(*) = count(DISTINCT s))::text "
                  "FROM claim_stripes((SELECT array_agg(1::bigint) FROM generate_series(1, 10000)), "
                  "(SELECT array_agg(g::bigint) FROM generate_series(1, 10000) g), "
                  "(SELECT array_agg(0::bigint) FROM generate_series(1, 10000)), "
                  "(SELECT array_agg(g::bigint) FROM generate_series(1, 10000) g)) WITH ORDINALITY AS t(s, n)"),
            "true");
  const auto id = coupon(100'000, 1);
  std::vector<SettleClaim> batch;
  for (int i = 0; i < 5000; ++i) batch.push_back(claim(id, 1 + i, 1000 + i));
  auto own = connect("locker");
  query(*own, "BEGIN");
  ASSERT_TRUE(settle_claims(*own, batch));
  EXPECT_LE(std::stoi(query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")), 1024);
  query(*own, "ROLLBACK");
  expect_books(id, 0, 0);
}

}  // namespace
}  // namespace flashclaim::postgres
