// What the engine asks of the database: outcomes by claim id, and what a user holds, page by page.
#include "engine/postgres/archive.h"

#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

ClaimId id_of(const SettleClaim& claim) { return {claim.coupon_id, claim.epoch, claim.entry, claim.index}; }

class ArchiveSql : public SqlTest {
 protected:
  /// `coupon@ms` of each, in order; then `...` when there is more.
  static Words shown(const HeldPage& page) {
    Words all;
    for (const HeldCoupon& held : page.coupons)
      all.push_back(std::to_string(held.claim.coupon_id) + "@" + std::to_string(held.claim.entry.ms));
    if (page.next) all.emplace_back("...");
    return all;
  }
  HeldPage page(std::int64_t user, const HeldPlace& after, int limit, int look = 1000) {
    auto answer = archived_coupons(session(), user, after, limit, look);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *answer : HeldPage();
  }
  Words whole(std::int64_t user, int limit, int look, int pages_max) {
    Words all;
    std::optional<HeldPlace> next = HeldPlace{};
    for (int pages = 0; next; ++pages) {
      if (pages == pages_max) return {"no end"};
      const HeldPage one = page(user, *next, limit, look);
      EXPECT_LE(one.coupons.size(), static_cast<std::size_t>(limit));
      next = one.next;
      for (const std::string& word : shown({one.coupons, std::nullopt})) all.push_back(word);
    }
    return all;
  }
};

TEST_F(ArchiveSql, FindsSettledAndRefusedClaimsByTheirWholeId) {
  const auto id = coupon(1, 1);
  const auto won = claim(id, 7, 1000, 2), lost = claim(id, 8, 1000, 3);
  settle({won, lost});
  std::vector<ClaimId> ids(9, id_of(won));
  ids[1] = id_of(lost);
  ids[2].coupon_id += 1;
  ids[3].epoch = 2;
  ids[4].entry.ms += 1;
  ids[5].entry.seq += 1;
  ids[6].index += 5;
  ids[7].epoch = INT64_MAX;  // more than any row can have: no error, but no claim
  const auto found = archived_claims(session(), ids);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_TRUE((*found)[0] && (*found)[1] && (*found)[8]);
  EXPECT_EQ((*found)[0]->user_id, 7);
  EXPECT_FALSE((*found)[0]->refusal);
  EXPECT_EQ((*found)[1]->user_id, 8);
  EXPECT_EQ((*found)[1]->refusal, Outcome::kOutOfStock);
  EXPECT_EQ((*found)[8]->user_id, 7);
  for (std::size_t i = 2; i < 8; ++i) EXPECT_FALSE((*found)[i]) << i;
}

TEST_F(ArchiveSql, ListsTheHighestCouponAndItsLatestClaimFirst) {
  const std::int64_t user = 1'000'000 + fresh_id();
  const auto low = coupon(10, 3), none = coupon(10, 3), high = coupon(10, 3);
  settle({claim(low, user, 1000), claim(high, user, 1001), claim(none, user + 1, 1002)});
  settle({claim(high, user, 1003), claim(low, user, 1004), claim(high, user, 1005)});
  const std::string l = std::to_string(low) + "@", h = std::to_string(high) + "@";
  const Words all = {h + "1005", h + "1003", h + "1001", l + "1004", l + "1000"};
  EXPECT_EQ(shown(page(user, {}, 100)), all);
  EXPECT_EQ(shown(page(user, {}, 5)), all);
  EXPECT_EQ(shown(page(user, {}, 2)), (Words{h + "1005", h + "1003", "..."}));
  EXPECT_EQ(page(user, {}, 2).next->coupon_id, high);
  EXPECT_EQ(page(user, {}, 2).next->ordinal, 2);
  for (int limit = 1; limit <= 6; ++limit) EXPECT_EQ(whole(user, limit, 1000, 6), all) << limit;
  const HeldPage first = page(user, {}, 1);
  EXPECT_EQ(first.coupons[0].name, state(high).name);
  EXPECT_EQ(first.coupons[0].claimed_at_ms, 1005);
  EXPECT_GT(first.coupons[0].settled_at_ms, kBeginMs - 86'400'000 * 365LL);
  EXPECT_EQ(shown(page(user + 2, {}, 10)), Words{});
}

TEST_F(ArchiveSql, LooksAtNoMoreCouponsThanItMayAndStillFindsAll) {
  const std::int64_t user = 2'000'000 + fresh_id();
  const auto low = coupon(10, 2);
  for (int i = 0; i < 7; ++i) coupon(10, 1);
  const auto high = coupon(10, 2);
  settle({claim(low, user, 1000), claim(high, user, 1001), claim(low, user, 1002)});
  const std::string l = std::to_string(low) + "@", h = std::to_string(high) + "@";
  EXPECT_EQ(shown(page(user, {high, INT32_MAX}, 10, 3)), (Words{h + "1001", "..."}));
  EXPECT_EQ(shown(page(user, {high - 2, INT32_MAX}, 10, 3)), Words{"..."});
  for (int look = 2; look <= 12; ++look)
    for (int limit = 1; limit <= 4; ++limit)
      EXPECT_EQ(whole(user, limit, look, 10'000), (Words{h + "1001", l + "1002", l + "1000"})) << look << " " << limit;
}

TEST_F(ArchiveSql, ForgetsAPurgedCoupon) {
  const std::int64_t user = 3'000'000 + fresh_id();
  const auto id = coupon(10, 1);
  settle({claim(id, user, 1000)});
  ASSERT_TRUE(operate_coupon(session(), id, Operation::kEnd));
  EXPECT_EQ(shown(page(user, {}, 10)).size(), 1u);
  ASSERT_TRUE(purge_coupon(session(), id));
  EXPECT_EQ(shown(page(user, {}, 10)), Words{});
  const auto found = archived_claims(session(), std::vector<ClaimId>{{id, 1, {1000, 0}, 0}});
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->front());
}

TEST_F(ArchiveSql, KnowsAPrimary) {
  const auto primary = is_primary(session());
  ASSERT_TRUE(primary);
  EXPECT_TRUE(*primary);
}

// The plans, made while the tables were empty or not: probes of the two unique indexes, never a scan of all rows.
TEST_F(ArchiveSql, ProbesIndexes) {
  const auto id = coupon(2000, 1);
  std::vector<SettleClaim> many;
  for (int i = 0; i < 2000; ++i) many.push_back(claim(id, 1 + i, 1000 + i));
  settle(many);
  const auto read_by_scans = [&] {
    query("SELECT pg_stat_force_next_flush()");
    query("SELECT pg_stat_clear_snapshot()");
    return query("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'user_coupon'");
  };
  const std::string before = read_by_scans();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(archived_claims(session(), std::vector<ClaimId>{id_of(many[static_cast<std::size_t>(i)])}));
    EXPECT_EQ(page(1 + i, {id, INT32_MAX}, 10, 2).coupons.size(), 1u);
  }
  EXPECT_EQ(read_by_scans(), before);
}

}  // namespace
}  // namespace flashclaim::postgres
