// What a batch costs is told by its claims: not by the rows that their users hold, by refusals or by the number of
// coupons. Counted in index entries read, which no other load on the machine changes.
#include "tests/harness/services.h"
#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

constexpr int kBatch = 1000;

class SettleCost : public SqlTest {
 protected:
  /// Index entries that were read since the database was made, by everybody.
  std::int64_t entries_read() {
    query("SELECT pg_stat_force_next_flush()");
    return std::stoll(query("SELECT sum(idx_tup_read) FROM pg_stat_user_indexes"));
  }

  /// What settling the batch read.
  std::int64_t read_by(const std::vector<SettleClaim>& batch, std::string_view outcome) {
    const std::int64_t before = entries_read();
    const Words seen = settle(batch);
    EXPECT_EQ(seen, Words(batch.size(), std::string(outcome)));
    return entries_read() - before;
  }

  static std::vector<SettleClaim> of_one_user(std::int64_t id, std::int64_t user, std::int64_t ms) {
    std::vector<SettleClaim> batch;
    for (int i = 0; i < kBatch; ++i) batch.push_back(claim(id, user, ms, i));
    return batch;
  }
  static std::vector<SettleClaim> of_many_users(std::int64_t id, std::int64_t first_user, std::int64_t ms) {
    std::vector<SettleClaim> batch;
    for (int i = 0; i < kBatch; ++i) batch.push_back(claim(id, first_user + i, ms, i));
    return batch;
  }
};

TEST_F(SettleCost, DoesNotGrowWithWhatAUserHolds) {
  const auto id = coupon(1'000'000, 1'000'000);
  const std::int64_t first = read_by(of_one_user(id, 7, 1000), "settled*");
  for (int held = 1; held < 20; ++held) settle(of_one_user(id, 7, 1000 + held));
  EXPECT_LE(read_by(of_one_user(id, 7, 2000), "settled*"), first + 3 * kBatch);
  // One claim that is known already sends the batch to the judgement: there too.
  auto mixed = of_one_user(id, 7, 2001);
  mixed.front() = claim(id, 7, 2000);
  const std::int64_t before = entries_read();
  EXPECT_EQ(settle(mixed)[0], "replayed");
  EXPECT_LE(entries_read() - before, 10 * kBatch);
  EXPECT_EQ(ordinals(id, 7).size(), 22'000U - 1);
  EXPECT_EQ(ordinals(id, 7).back(), 22'000 - 1);
}

TEST_F(SettleCost, AtTheLimitCountsTheRowsOfAUserOnce) {
  const auto id = coupon(1'000'000, 5'000);
  for (int held = 0; held < 5; ++held) settle(of_one_user(id, 7, 1000 + held));
  // Counting them once for each claim would read five million.
  EXPECT_LE(read_by(of_one_user(id, 7, 2000), "over_limit*"), 50'000);
  expect_books(id, 5'000, kBatch);
}

TEST_F(SettleCost, FillsTheGapsOfAUserWithoutLookingForEachAnew) {
  const auto id = coupon(1'000'000, 5'000);
  for (int held = 0; held < 5; ++held) settle(of_one_user(id, 7, 1000 + held));
  query("DELETE FROM user_coupon WHERE coupon_id = " + std::to_string(id) + " AND ordinal % 5 = 1");
  query("UPDATE coupon SET issue_num = 4000 WHERE id = " + std::to_string(id));
  EXPECT_LE(read_by(of_one_user(id, 7, 2000), "settled*"), 4 * (5'000 + 5 * kBatch));
  EXPECT_EQ(ordinals(id, 7).size(), 5'000U);
  EXPECT_EQ(ordinals(id, 7).back(), 5'000);
}

TEST_F(SettleCost, StaysQuickWithLimitsAboveOneAndAfterARefusal) {
  query("SET track_functions = 'pl'");
  const auto judged = [&] {
    query("SELECT pg_stat_force_next_flush()");
    return query("SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions WHERE funcname = 'judge_claims'");
  };
  for (const std::int64_t limit : {2, 10}) {
    const auto id = coupon(1'000'000, limit);
    const std::string before = judged();
    settle(of_many_users(id, 1, 1000));
    settle(of_many_users(id, 1, 1001));
    EXPECT_EQ(judged(), before) << "limit " << limit;
    expect_books(id, 2 * kBatch, 0);
  }
  const auto one = coupon(1'000'000, 1);
  EXPECT_EQ(settle({claim(one, 1, 1000), claim(one, 1, 1001)}), (Words{"settled*", "over_limit*"}));
  const std::string before = judged();
  settle(of_many_users(one, 10'001, 1001));
  EXPECT_NE(judged(), before) << "an entry that was refused is judged";
  const std::string after = judged();
  settle(of_many_users(one, 20'001, 1002));
  EXPECT_EQ(judged(), after);
}

/// A session whose plans were made when there was one coupon.
TEST_F(SettleCost, DoesNotGrowWithTheNumberOfCoupons) {
  use(harness::PrivatePostgres::shared().migrated_database());
  const auto id = coupon(1'000'000, 1);
  const auto some = [&](std::int64_t ms) {
    settle({claim(id, 2 * ms, ms), claim(id, 2 * ms + 1, ms, 1)});            // the quick way
    settle({claim(id, 2 * ms, ms), claim(id, 1'000'000 + ms, ms + 500, 0)});  // the judgement
  };
  some(1000);
  const std::int64_t start = entries_read();
  some(1001);
  const std::int64_t few = entries_read() - start;
  query(
      "INSERT INTO coupon (id, name, total_num, target_total, user_limit, issue_begin_time, issue_end_time, "
      "max_inflight) "
      "SELECT 1000000000 + i, 'many', 1, 1, 1, now(), now() + interval '1 day', 1 FROM generate_series(1, 20000) i");
  const std::int64_t before = entries_read();
  some(1002);
  EXPECT_LE(entries_read() - before, few + 100);
}

}  // namespace
}  // namespace flashclaim::postgres
