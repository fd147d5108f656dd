// settle_claims, one outcome after the other, and its answers to redeliveries and duplicates.
#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

class SettleClaims : public SqlTest {};

TEST_F(SettleClaims, WritesTheRowOfAClaimThatFits) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(settle({claim(id, 7, kBeginMs, 3, 5)}), Words{"settled*"});
  EXPECT_EQ(query("SELECT (user_id, entry_ms, entry_seq, entry_index, epoch, ordinal, status, "
                  "(extract(epoch FROM claimed_at) * 1000)::bigint)::text FROM user_coupon WHERE coupon_id = " +
                  std::to_string(id)),
            "(7,1795380024805,5,3,1,1,received,1795380024805)");
  expect_books(id, 1, 0);
}

TEST_F(SettleClaims, OfNothingIsNothing) { EXPECT_EQ(settle({}), Words{}); }

TEST_F(SettleClaims, GivesTheSameAnswerToARedelivery) {
  const auto id = coupon(2, 1);
  const std::vector<SettleClaim> batch{claim(id, 7, 1000), claim(id, 7, 1001),        claim(id, 8, 1002),
                                       claim(id, 9, 1003), {id, 2, {1004, 0}, 0, 10}, claim(fresh_id(), 7, 1000)};
  EXPECT_EQ(settle(batch),
            (Words{"settled*", "over_limit*", "settled*", "out_of_stock*", "stale_epoch*", "unknown_coupon*"}));
  const Words again{"replayed", "over_limit", "replayed", "out_of_stock", "stale_epoch", "unknown_coupon"};
  EXPECT_EQ(settle(batch), again);
  // Whatever changes in between: a refusal, once given, stands.
  ASSERT_TRUE(update_coupon(session(), id, {.total = 10, .user_limit = 5}));
  EXPECT_EQ(settle(batch), again);
  EXPECT_EQ(settle(batch, SettleMode::kReject), again);
  expect_books(id, 2, 3);
}

TEST_F(SettleClaims, RecordsTheRefusalOfACouponThatIsCreatedLater) {
  const auto id = fresh_id();
  EXPECT_EQ(settle({claim(id, 7, 1000)}), Words{"unknown_coupon*"});
  ASSERT_TRUE(create_coupon(session(), {id, "late", 10, 1, kBeginMs, kEndMs, 1000}));
  EXPECT_EQ(settle({claim(id, 7, 1000), claim(id, 7, 1001)}), (Words{"unknown_coupon", "settled*"}));
  expect_books(id, 1, 1);
}

TEST_F(SettleClaims, JudgesNeitherWindowNorStatus) {
  const auto id = draft(10, 1);
  EXPECT_EQ(settle({claim(id, 7, 1)}), Words{"settled*"});
  ASSERT_TRUE(operate_coupon(session(), id, Operation::kEnd));
  EXPECT_EQ(settle({claim(id, 8, kEndMs + 1)}), Words{"settled*"});
}

TEST_F(SettleClaims, AnswersTheDuplicateInTheSameBatch) {
  const auto id = coupon(1, 1);
  const auto won = claim(id, 7, 1000), lost = claim(id, 8, 1001);
  EXPECT_EQ(settle({won, lost, won, lost, won}),
            (Words{"settled*", "out_of_stock*", "replayed", "out_of_stock", "replayed"}));
  EXPECT_EQ(settle({won, lost, won}), (Words{"replayed", "out_of_stock", "replayed"}));
  expect_books(id, 1, 1);
}

TEST_F(SettleClaims, HoldsTheLimitOfOneWithinABatch) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(settle({claim(id, 7, 1000, 0), claim(id, 7, 1000, 1), claim(id, 8, 1000, 2)}),
            (Words{"settled*", "over_limit*", "settled*"}));
  EXPECT_EQ(settle({claim(id, 7, 1001)}), Words{"over_limit*"});
  expect_books(id, 2, 2);
}

TEST_F(SettleClaims, HoldsTheLimitOfThreeOverBatches) {
  const auto id = coupon(10, 3);
  EXPECT_EQ(settle({claim(id, 7, 1000), claim(id, 7, 1001)}), (Words{"settled*", "settled*"}));
  EXPECT_EQ(settle({claim(id, 7, 1002), claim(id, 7, 1003), claim(id, 7, 1000)}),
            (Words{"settled*", "over_limit*", "replayed"}));
  EXPECT_EQ(ordinals(id, 7), (std::vector{1, 2, 3}));
  expect_books(id, 3, 1);
}

TEST_F(SettleClaims, NumbersByEntryNotByPosition) {
  const auto id = coupon(10, 1);
  // 1000-10 comes after 1000-9, and index 10 after index 9: numbers, not text.
  EXPECT_EQ(
      settle({claim(id, 7, 1000, 0, 10), claim(id, 7, 1000, 0, 9), claim(id, 8, 1000, 10), claim(id, 8, 1000, 9)}),
      (Words{"over_limit*", "settled*", "over_limit*", "settled*"}));
}

TEST_F(SettleClaims, TakesTheLowestFreeOrdinals) {
  const auto id = coupon(10, 5);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(settle({claim(id, 7, 1000 + i)}), Words{"settled*"});
  query("DELETE FROM user_coupon WHERE coupon_id = " + std::to_string(id) + " AND ordinal IN (1, 2, 4)");
  query("UPDATE coupon SET issue_num = 2 WHERE id = " + std::to_string(id));
  EXPECT_EQ(settle({claim(id, 7, 2000)}), Words{"settled*"});
  EXPECT_EQ(ordinals(id, 7), (std::vector{1, 3, 5}));
  EXPECT_EQ(settle({claim(id, 7, 2001), claim(id, 7, 2002), claim(id, 7, 2003)}),
            (Words{"settled*", "settled*", "over_limit*"}));
  EXPECT_EQ(ordinals(id, 7), (std::vector{1, 2, 3, 4, 5}));
}

TEST_F(SettleClaims, AdmitsTheFirstThatFitInEntryOrder) {
  const auto id = coupon(3, 1);
  EXPECT_EQ(settle({claim(id, 1, 1005), claim(id, 2, 1000, 1), claim(id, 3, 1000, 0), claim(id, 4, 1006),
                    claim(id, 5, 1001)}),
            (Words{"out_of_stock*", "settled*", "settled*", "out_of_stock*", "settled*"}));
  EXPECT_EQ(state(id).issue_num, 3);
  EXPECT_EQ(settle({claim(id, 9, 999)}), Words{"out_of_stock*"});
  expect_books(id, 3, 3);
}

TEST_F(SettleClaims, SaysOverLimitOnlyWhenItIsTrue) {
  const auto id = coupon(2, 2);
  // User 7 gets one of two; the rest of the stock goes to 8: what 7 lacks then is stock, not the limit (INV-5).
  EXPECT_EQ(settle({claim(id, 7, 1000), claim(id, 8, 1001), claim(id, 7, 1002), claim(id, 7, 1003)}),
            (Words{"settled*", "settled*", "out_of_stock*", "out_of_stock*"}));
}

TEST_F(SettleClaims, ALimitedUserTakesNoStockFromTheNext) {
  const auto id = coupon(2, 1);
  EXPECT_EQ(settle({claim(id, 7, 1000), claim(id, 7, 1001), claim(id, 8, 1002)}),
            (Words{"settled*", "over_limit*", "settled*"}));
}

TEST_F(SettleClaims, SettlesManyCouponsInOneBatch) {
  const auto plenty = coupon(10, 1), one = coupon(1, 1);
  EXPECT_EQ(settle({claim(one, 7, 1000), claim(plenty, 7, 1000), claim(one, 8, 1001), claim(plenty, 8, 1001)}),
            (Words{"settled*", "settled*", "out_of_stock*", "settled*"}));
  expect_books(plenty, 2, 0);
  expect_books(one, 1, 1);
}

TEST_F(SettleClaims, RefusesAnotherEpoch) {
  const auto id = coupon(10, 3);
  EXPECT_EQ(settle({claim(id, 7, 1000)}), Words{"settled*"});
  auto rebuilt = begin_rebuild(session(), id);
  ASSERT_TRUE(rebuilt);
  EXPECT_EQ(rebuilt->state.epoch, 2);
  // The same entry id in two epochs is two claims.
  const SettleClaim now{id, 2, {1000, 0}, 0, 7};
  EXPECT_EQ(settle({claim(id, 7, 1000), claim(id, 7, 1001), now, {id, 3, {1000, 0}, 0, 7}}),
            (Words{"replayed", "stale_epoch*", "settled*", "stale_epoch*"}));
  EXPECT_EQ(ordinals(id, 7), (std::vector{1, 2}));
  expect_books(id, 2, 2);
}

TEST_F(SettleClaims, AnIdConflictDoesNotStopItsNeighbours) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(settle({claim(id, 7, 1000)}), Words{"settled*"});
  EXPECT_EQ(settle({claim(id, 8, 1001), claim(id, 9, 1000), claim(id, 10, 1002)}),
            (Words{"settled*", "id_conflict", "settled*"}));
  expect_books(id, 3, 0);  // nothing is recorded for it
  EXPECT_EQ(settle({claim(id, 9, 1003)}), Words{"settled*"});
}

TEST_F(SettleClaims, AnIdConflictOfARefusal) {
  const auto id = coupon(1, 1);
  EXPECT_EQ(settle({claim(id, 7, 1000), claim(id, 8, 1001)}), (Words{"settled*", "out_of_stock*"}));
  EXPECT_EQ(settle({claim(id, 9, 1001), claim(id, 8, 1001)}), (Words{"id_conflict", "out_of_stock"}));
  EXPECT_EQ(settle({claim(id, 9, 1001)}, SettleMode::kReject), Words{"id_conflict"});
}

TEST_F(SettleClaims, AnIdConflictWithinOneBatchGoesToTheFirst) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(settle({claim(id, 7, 1000), claim(id, 8, 1000), claim(id, 7, 1000)}),
            (Words{"settled*", "id_conflict", "replayed"}));
  expect_books(id, 1, 0);
}

TEST_F(SettleClaims, RejectsWhatHasNoOutcomeYet) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(settle({claim(id, 7, 1000)}), Words{"settled*"});
  EXPECT_EQ(
      settle({claim(id, 7, 1000), claim(id, 8, 1001), claim(id, 8, 1001), {id, 9, {1, 0}, 0, 9}}, SettleMode::kReject),
      (Words{"replayed", "rejected*", "rejected", "rejected*"}));
  EXPECT_EQ(settle({claim(id, 8, 1001), claim(id, 8, 1002)}), (Words{"rejected", "settled*"}));
  expect_books(id, 2, 2);
}

TEST_F(SettleClaims, OfAPurgedCouponRecordsNothing) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(settle({claim(id, 7, 1000)}), Words{"settled*"});
  ASSERT_TRUE(operate_coupon(session(), id, Operation::kEnd));
  ASSERT_TRUE(purge_coupon(session(), id));
  EXPECT_EQ(settle({claim(id, 7, 1000), claim(id, 8, 1001)}), (Words{"unknown_coupon", "unknown_coupon"}));
  EXPECT_EQ(query("SELECT count(*) FROM claim_outcome WHERE coupon_id = " + std::to_string(id)), "0");
}

TEST_F(SettleClaims, RefusesMalformedCallsAndChangesNothing) {
  const auto id = coupon(10, 1);
  const auto fault = [&](const SettleClaim& guilty) {
    const SettleClaim batch[] = {claim(id, 7, 1000), guilty};
    auto answer = settle_claims(session(), batch);
    return answer ? "settled" : std::string(word(answer.error().fault));
  };
  EXPECT_EQ(fault(claim(id, 0, 1001)), "data");
  EXPECT_EQ(fault(claim(id, -7, 1001)), "data");
  EXPECT_EQ(fault(claim(-1, 7, 1001)), "data");
  EXPECT_EQ(fault(claim(id, 8, -1)), "data");
  EXPECT_EQ(fault(claim(id, 8, 1, -1)), "data");
  EXPECT_EQ(fault({id, 0, {1001, 0}, 0, 8}), "data");
  EXPECT_EQ(fault({id, INT64_MAX, {1001, 0}, 0, 8}), "data");
  expect_books(id, 0, 0);
  for (const char* call :
       {"'{1}','{1}','{1}','{1}','{1}','{1,2}'", "'{1}','{1}','{1}','{1}','{1}','{}'",
        "'{1}','{1}','{1}','{1}','{1}',NULL", "'{1}','{1}','{1}','{1}','{1}','{1}','settled'",
        "'{1}','{1}','{1}','{1}','{1}','{1}',NULL", "array_fill(1::bigint,'{10001}'),'{1}','{1}','{1}','{1}','{1}'"})
    EXPECT_EQ(refused(session(), std::string("SELECT settle_claims(") + call + ")").sqlstate, "22023") << call;
  EXPECT_EQ(refused(session(), "SELECT settle_claims('{1}','{1}','{1}','{1}','{1}','{NULL}')").fault, SqlFault::kData);
}

TEST_F(SettleClaims, InsistsOnReadCommitted) {
  for (const char* level : {"repeatable read", "serializable"}) {
    auto strict = connect();
    query(*strict, std::string("SET default_transaction_isolation = '") + level + "'");
    const SettleClaim one[] = {claim(coupon(1, 1), 7, 1000)};
    auto answer = settle_claims(*strict, one);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().fault, SqlFault::kBug);
    EXPECT_EQ(answer.error().sqlstate, "25001");
  }
}

TEST_F(SettleClaims, TakesTheLargestBatch) {
  const auto id = coupon(static_cast<std::int64_t>(kSettleClaimsMax), 1);
  std::vector<SettleClaim> batch;
  for (std::size_t i = 0; i < kSettleClaimsMax; ++i)
    batch.push_back(claim(id, static_cast<std::int64_t>(i) + 1, 1000, static_cast<int>(i)));
  EXPECT_EQ(settle(batch), Words(kSettleClaimsMax, "settled*"));
  EXPECT_EQ(settle(batch), Words(kSettleClaimsMax, "replayed"));
  expect_books(id, static_cast<std::int64_t>(kSettleClaimsMax), 0);
}

}  // namespace
}  // namespace flashclaim::postgres
