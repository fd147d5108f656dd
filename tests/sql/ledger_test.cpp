// Reading the books: reconcile counts exactly what Redis' snapshot does not, per coupon and per user; lookups; pages.
#include <map>
#include <random>
#include <set>

#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

class Ledger : public SqlTest {
 protected:
  std::int64_t rows(std::int64_t id, const StreamCut& cut) {
    auto answer = reconcile_rows(session(), id, cut);
    EXPECT_TRUE(answer && *answer) << answer.error().message;
    return answer && *answer ? (*answer)->rows : -1;
  }
};

TEST_F(Ledger, CountsARowUnlessTheSnapshotDoes) {
  const auto id = coupon(100, 1);
  settle(
      {claim(id, 1, 1000), claim(id, 2, 1001, 0), claim(id, 3, 1001, 1), claim(id, 4, 1002), claim(id, 5, 1002, 0, 1)});
  EXPECT_EQ(rows(id, {1, {1002, 1}, {}}), 5);
  EXPECT_EQ(rows(id, {1, {1002, 0}, {}}), 4);  // above L: accepted after the snapshot
  EXPECT_EQ(rows(id, {1, {1000, 0}, {}}), 1);
  EXPECT_EQ(rows(id, {1, {0, 0}, {}}), 0);
  const EntryId flying[] = {{1001, 0}, {1001, 0}, {999, 0}};  // settled, but still in the stream: counted there
  EXPECT_EQ(rows(id, {1, {1002, 1}, flying}), 3);
  const EntryId above[] = {{1002, 1}};
  EXPECT_EQ(rows(id, {1, {1002, 0}, above}), 4);  // not subtracted twice
}

TEST_F(Ledger, CountsEarlierEpochsWholeAndLaterOnesNotAtAll) {
  const auto id = coupon(100, 5);
  settle({claim(id, 1, 5000), claim(id, 2, 5001)});
  ASSERT_TRUE(begin_rebuild(session(), id));
  const SettleClaim second[] = {{id, 2, {10, 0}, 0, 1}, {id, 2, {11, 0}, 0, 1}};
  EXPECT_EQ(settle(second), (Words{"settled*", "settled*"}));
  EXPECT_EQ(rows(id, {2, {10, 0}, {}}), 3);
  EXPECT_EQ(rows(id, {1, {9999, 0}, {}}), 2);
  EXPECT_EQ(rows(id, {3, {0, 0}, {}}), 4);
  auto users = reconcile_user_rows(session(), id, {2, {10, 0}, {}}, std::vector<std::int64_t>{2, 1, 9, 1});
  ASSERT_TRUE(users);
  EXPECT_EQ(*users, (std::vector<std::int64_t>{1, 2, 0, 2}));
}

TEST_F(Ledger, TellsTheDatabasesStateAndTheHighestEntry) {
  const auto id = coupon(2, 1);
  auto none = reconcile_rows(session(), id, {1, {0, 0}, {}});
  ASSERT_TRUE(none && *none);
  EXPECT_FALSE((*none)->highest);
  settle({claim(id, 1, 1000, 0, 9), claim(id, 2, 1000, 0, 10), claim(id, 3, 1000, 0, 11)});
  ASSERT_TRUE(update_coupon(session(), id, {.total = 20}));
  auto answer = reconcile_rows(session(), id, {1, {1000, 9}, {}});
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->rows, 1);
  EXPECT_EQ((*answer)->epoch, 1);
  EXPECT_EQ((*answer)->version, 3);
  EXPECT_EQ((*answer)->target_total, 20);
  EXPECT_EQ((*answer)->highest, (EntryId{1000, 11}));  // a refusal counts: Redis made that entry once
  EXPECT_EQ(*highest_entry(session(), id, 1), (EntryId{1000, 11}));
  EXPECT_FALSE(*highest_entry(session(), id, 2));
  EXPECT_FALSE(*reconcile_rows(session(), fresh_id(), {1, {0, 0}, {}}));
}

// The formula of the design, evaluated here claim by claim, against the queries.
TEST_F(Ledger, AgreesWithTheFormulaOverRandomSnapshots) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 20; ++round) {
    const auto id = coupon(1000, 1000);
    std::vector<SettleClaim> all;
    for (int epoch = 1; epoch <= 3; ++epoch) {
      std::set<std::tuple<int, int, int>> seen;
      for (int i = 0; i < 30; ++i) {
        const int ms = 1000 + pick(5), seq = pick(4), index = pick(3);
        if (seen.emplace(ms, seq, index).second) all.push_back({id, epoch, {ms, seq}, index, 1 + pick(6)});
      }
      std::vector<SettleClaim> now(all.end() - static_cast<long>(seen.size()), all.end());
      EXPECT_EQ(settle(now), Words(now.size(), "settled*"));
      if (epoch < 3) {
        ASSERT_TRUE(begin_rebuild(session(), id));
      }
    }
    std::vector<EntryId> flying;
    for (int i = pick(8); i > 0; --i) flying.push_back({1000 + pick(6), pick(4)});
    const StreamCut cut{1 + pick(3), {1000 + pick(6), pick(4)}, flying};
    std::map<std::int64_t, std::int64_t> per_user;
    std::int64_t total = 0;
    for (const SettleClaim& c : all) {
      const bool in_flight = std::find(flying.begin(), flying.end(), c.entry) != flying.end();
      const bool counts = c.epoch < cut.epoch || (c.epoch == cut.epoch && c.entry <= cut.last && !in_flight);
      total += counts;
      per_user[c.user_id] += counts;
    }
    EXPECT_EQ(rows(id, cut), total);
    const std::vector<std::int64_t> users{1, 2, 3, 4, 5, 6, 7};
    auto answer = reconcile_user_rows(session(), id, cut, users);
    ASSERT_TRUE(answer);
    for (std::size_t i = 0; i < users.size(); ++i) EXPECT_EQ((*answer)[i], per_user[users[i]]);
  }
}

TEST_F(Ledger, PagesTheUsersOfARebuild) {
  const auto id = coupon(100, 3);
  settle({claim(id, 30, 1000), claim(id, 10, 1001), claim(id, 20, 1002), claim(id, 30, 1003), claim(id, 30, 1004)});
  const auto page = [&](std::int64_t after, int limit) {
    std::vector<std::pair<std::int64_t, std::int64_t>> all;
    auto counts = user_counts(session(), id, after, limit);
    EXPECT_TRUE(counts);
    for (const UserCount& c : *counts) all.emplace_back(c.user_id, c.count);
    return all;
  };
  using Page = std::vector<std::pair<std::int64_t, std::int64_t>>;
  EXPECT_EQ(page(0, 2), (Page{{10, 1}, {20, 1}}));
  EXPECT_EQ(page(20, 2), (Page{{30, 3}}));
  EXPECT_EQ(page(30, 2), Page{});
}

TEST_F(Ledger, FindsClaimsByTheirId) {
  const auto id = coupon(1, 1);
  settle({claim(id, 7, 1000), claim(id, 8, 1001)});
  const ClaimId settled{id, 1, {1000, 0}, 0}, refused{id, 1, {1001, 0}, 0}, none{id, 1, {1002, 0}, 0};
  auto found = find_claims(session(), std::vector{none, refused, settled, none});
  ASSERT_TRUE(found);
  EXPECT_FALSE((*found)[0]);
  ASSERT_TRUE((*found)[1]);
  EXPECT_EQ((*found)[1]->refusal, Outcome::kOutOfStock);
  EXPECT_EQ((*found)[1]->user_id, 8);
  ASSERT_TRUE((*found)[2]);
  EXPECT_EQ((*found)[2]->id, settled);
  EXPECT_FALSE((*found)[2]->refusal);
  EXPECT_GT((*found)[2]->decided_at_ms, 1'700'000'000'000);
  EXPECT_FALSE((*found)[3]);
  EXPECT_EQ((*find_claim(session(), settled))->user_id, 7);
  EXPECT_FALSE(*find_claim(session(), none));
}

TEST_F(Ledger, ListsTheClaimsOfACouponInOrder) {
  const auto id = coupon(2, 1);
  settle({claim(id, 1, 1000, 10), claim(id, 2, 1000, 9), claim(id, 3, 1001), claim(id, 4, 1000, 0, 10)});
  std::vector<std::string> ids;
  ClaimId after{id, 0, {0, 0}, 0};
  for (;;) {
    auto page = list_claims(session(), after, 3);
    ASSERT_TRUE(page);
    if (page->empty()) break;
    for (const KnownClaim& c : *page) ids.push_back(c.id.text() + (c.refusal ? "-" : "+"));
    after = page->back().id;
  }
  const std::string c = std::to_string(id);
  EXPECT_EQ(ids, (Words{c + "-1-1000-0-9+", c + "-1-1000-0-10+", c + "-1-1000-10-0-", c + "-1-1001-0-0-"}));
}

TEST_F(Ledger, CountsRowByRowForTheChecker) {
  const auto id = coupon(5, 2);
  settle({claim(id, 1, 1000), claim(id, 1, 1001), claim(id, 1, 1002), claim(id, 2, 1003)});
  auto counts = coupon_counts(session(), id);
  ASSERT_TRUE(counts && *counts);
  EXPECT_EQ(std::tuple((*counts)->rows, (*counts)->users, (*counts)->max_per_user, (*counts)->rejections,
                       (*counts)->total_num),
            std::tuple(3, 2, 2, 1, 5));
  // What it is there for: damage.
  query("UPDATE coupon SET issue_num = 1, user_limit = 1 WHERE id = " + std::to_string(id));
  query("INSERT INTO claim_rejection VALUES (" + std::to_string(id) + ", 1, 1000, 0, now(), 1, 0, 'rejected')");
  counts = coupon_counts(session(), id);
  EXPECT_EQ(std::tuple((*counts)->rows, (*counts)->issue_num, (*counts)->over_limit_users, (*counts)->both),
            std::tuple(3, 1, 1, 1));
  EXPECT_FALSE(*coupon_counts(session(), fresh_id()));
}

}  // namespace
}  // namespace flashclaim::postgres
