// The operations on a coupon: the state machine, versions and events, restock and cut, rebuild and purge.
#include "tests/harness/services.h"
#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

using enum Operation;

class Coupons : public SqlTest {
 protected:
  std::string operate(std::int64_t id, Operation operation) {
    auto answer = operate_coupon(session(), id, operation);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? std::string(word(answer->verdict)) + ' ' + std::string(word(answer->state.status)) : "";
  }
  std::string update(std::int64_t id, const CouponChanges& changes) {
    return told(update_coupon(session(), id, changes));
  }
  std::string cut(std::int64_t id, std::int64_t version) { return told(complete_cut(session(), id, version)); }
  /// `<verdict> <target_total>/<total_num> v<version>`
  static std::string told(const SqlResult<Operated>& answer) {
    EXPECT_TRUE(answer) << answer.error().message;
    if (!answer) return "";
    const CouponState& s = answer->state;
    return std::string(word(answer->verdict)) + ' ' + std::to_string(s.target_total) + '/' +
           std::to_string(s.total_num) + " v" + std::to_string(s.version);
  }
  std::string events(std::int64_t id) {
    auto list = coupon_events(session(), id, 100);
    EXPECT_TRUE(list);
    std::string text;
    for (auto e = list->rbegin(); e != list->rend(); ++e) {
      text += std::to_string(e->version) + e->operation + ' ';
      EXPECT_EQ(e->state.version, e->version);
      EXPECT_EQ(e->state.id, id);
      EXPECT_EQ(e->actor, "test_sql");
      EXPECT_GT(e->at_ms, 1'700'000'000'000);
    }
    return text;
  }
};

TEST_F(Coupons, CreateMakesADraftOfWhatWasGiven) {
  const NewCoupon wanted{fresh_id(), "O'Neill \"50%\" 折扣\n", 10, 3, kBeginMs, kEndMs, 77};
  auto created = create_coupon(session(), wanted);
  ASSERT_TRUE(created);
  EXPECT_EQ(created->verdict, OperationVerdict::kApplied);
  const CouponState s = state(wanted.id);
  EXPECT_EQ(s.name, wanted.name);
  EXPECT_EQ(s.status, CouponStatus::kDraft);
  EXPECT_EQ(std::tuple(s.epoch, s.version, s.publish_version), std::tuple(1, 1, 0));
  EXPECT_EQ(std::tuple(s.total_num, s.target_total, s.issue_num, s.user_limit), std::tuple(10, 10, 0, 3));
  EXPECT_EQ(std::tuple(s.begin_ms, s.end_ms, s.max_inflight), std::tuple(kBeginMs, kEndMs, 77));
  EXPECT_FALSE(s.may_create());
  EXPECT_EQ(events(wanted.id), "1create ");
}

TEST_F(Coupons, CreateRepeatedIsUnchangedAndAnotherIsRefused) {
  const NewCoupon wanted{fresh_id(), "one", 10, 1, kBeginMs, kEndMs, 1000};
  EXPECT_EQ(create_coupon(session(), wanted)->verdict, OperationVerdict::kApplied);
  EXPECT_EQ(create_coupon(session(), wanted)->verdict, OperationVerdict::kUnchanged);
  for (int field = 0; field < 6; ++field) {
    NewCoupon other = wanted;
    if (field == 0) other.name = "two";
    if (field == 1) other.total_num = 11;
    if (field == 2) other.user_limit = 2;
    if (field == 3) other.begin_ms += 1;
    if (field == 4) other.end_ms += 1;
    if (field == 5) other.max_inflight = 1;
    EXPECT_EQ(create_coupon(session(), other)->verdict, OperationVerdict::kExists) << field;
  }
  EXPECT_EQ(events(wanted.id), "1create ");
}

TEST_F(Coupons, CreateRefusesValuesOutsideTheirLimitsByName) {
  const auto constraint = [&](NewCoupon coupon) {
    coupon.id = fresh_id();
    auto answer = create_coupon(session(), coupon);
    EXPECT_FALSE(answer);
    EXPECT_EQ(answer.error().fault, SqlFault::kData);
    return answer.error().message;
  };
  const NewCoupon good{0, "x", 10, 1, kBeginMs, kEndMs, 1000};
  NewCoupon bad = good;
  bad.begin_ms = kBeginMs / 1000;
  EXPECT_NE(constraint(bad).find("coupon_window_not_in_seconds"), std::string::npos);
  bad = good;
  bad.end_ms = bad.begin_ms;
  EXPECT_NE(constraint(bad).find("coupon_window_in_order"), std::string::npos);
  bad = good;
  bad.total_num = 0;
  EXPECT_NE(constraint(bad).find("coupon_t"), std::string::npos);
  bad = good;
  bad.name = "";
  EXPECT_NE(constraint(bad).find("coupon_name_1_to_200"), std::string::npos);
}

TEST_F(Coupons, TheStateMachine) {
  const auto id = draft(10, 1);
  EXPECT_EQ(operate(id, kPause), "wrong_status draft");
  EXPECT_EQ(operate(id, kResume), "wrong_status draft");
  EXPECT_EQ(operate(id, kPublish), "applied issuing");
  EXPECT_EQ(operate(id, kPublish), "unchanged issuing");
  EXPECT_EQ(operate(id, kResume), "unchanged issuing");
  EXPECT_EQ(operate(id, kPause), "applied paused");
  EXPECT_EQ(operate(id, kPause), "unchanged paused");
  EXPECT_EQ(operate(id, kPublish), "wrong_status paused");
  EXPECT_EQ(operate(id, kResume), "applied issuing");
  EXPECT_EQ(operate(id, kEnd), "applied ended");
  EXPECT_EQ(operate(id, kEnd), "unchanged ended");
  for (Operation back : {kPublish, kPause, kResume}) EXPECT_EQ(operate(id, back), "wrong_status ended");
  EXPECT_EQ(events(id), "1create 2publish 3pause 4resume 5end ");
  EXPECT_EQ(state(id).version, 5);
  EXPECT_EQ(state(id).publish_version, 2);
}

TEST_F(Coupons, ADraftAndAPausedOneCanBeEnded) {
  const auto never = draft(10, 1), paused = coupon(10, 1);
  EXPECT_EQ(operate(never, kEnd), "applied ended");
  EXPECT_EQ(operate(paused, kPause), "applied paused");
  EXPECT_EQ(operate(paused, kEnd), "applied ended");
}

TEST_F(Coupons, AnUnknownCouponIsNotFound) {
  const auto id = fresh_id();
  EXPECT_EQ(operate_coupon(session(), id, kPublish)->verdict, OperationVerdict::kNotFound);
  EXPECT_EQ(update_coupon(session(), id, {.total = 1})->verdict, OperationVerdict::kNotFound);
  EXPECT_EQ(complete_cut(session(), id, 1)->verdict, OperationVerdict::kNotFound);
  EXPECT_EQ(begin_rebuild(session(), id)->verdict, OperationVerdict::kNotFound);
  auto purged = purge_coupon(session(), id);
  EXPECT_EQ(purged->verdict, OperationVerdict::kNotFound);
  EXPECT_EQ(purged->state.id, id);
  EXPECT_FALSE(*coupon_state(session(), id));
  EXPECT_EQ(refused(session(), "SELECT operate_coupon(1, 'dance')").sqlstate, "22023");
}

TEST_F(Coupons, OnlyThePublishItselfMayCreateInRedis) {
  const auto id = draft(10, 1);
  EXPECT_FALSE(state(id).may_create());
  operate(id, kPublish);
  EXPECT_TRUE(state(id).may_create());
  operate(id, kPublish);
  EXPECT_TRUE(state(id).may_create());  // repeated after an unknown answer
  settle({claim(id, 7, 1000)});
  EXPECT_FALSE(state(id).may_create());
  const auto other = coupon(10, 1);
  operate(other, kPause);
  EXPECT_FALSE(state(other).may_create());
}

TEST_F(Coupons, WhatWasReadIsWhatIsOperatedOn) {
  const auto id = coupon(10, 1);
  ASSERT_EQ(state(id).version, 2);
  for (const Operation operation : {kPublish, kPause, kResume, kEnd}) {
    EXPECT_EQ(operate_coupon(session(), id, operation, 1)->verdict, OperationVerdict::kMoved);
  }
  EXPECT_EQ(update(id, {.total = 15, .seen = 1}), "moved 10/10 v2");
  EXPECT_EQ(update(id, {.total = 10, .seen = 1}), "moved 10/10 v2") << "the same by another is no success of mine";
  EXPECT_EQ(update(id, {.total = 15, .seen = 2}), "applied 15/15 v3");
  EXPECT_EQ(update(id, {.total = 15, .seen = 2}), "moved 15/15 v3");
  EXPECT_EQ(operate_coupon(session(), id, kEnd, 3)->verdict, OperationVerdict::kApplied);
  EXPECT_EQ(purge_coupon(session(), id, 3)->verdict, OperationVerdict::kMoved);
  EXPECT_EQ(purge_coupon(session(), id, 4)->verdict, OperationVerdict::kApplied);
  EXPECT_EQ(purge_coupon(session(), id, 4)->verdict, OperationVerdict::kUnchanged);
  EXPECT_EQ(events(id), "1create 2publish 3update 4end 5purge ");
}

TEST_F(Coupons, TheLogSaysWhoItWas) {
  const auto id = draft(10, 1);
  ASSERT_TRUE(act_as(session(), "Zoë (night shift)"));
  operate(id, kPublish);
  ASSERT_TRUE(act_as(session(), ""));
  operate(id, kPause);
  const auto log = coupon_events(session(), id, 10);
  ASSERT_TRUE(log);
  EXPECT_EQ(log->at(0).actor, "test_sql");
  EXPECT_EQ(log->at(1).actor, "Zoë (night shift)");
  EXPECT_EQ(log->at(2).actor, "test_sql");
}

TEST_F(Coupons, ADraftsBeginIsFreeAndAPublishedOneOnlyComesNearer) {
  const auto id = draft(10, 1);
  EXPECT_EQ(update(id, {.begin_ms = kBeginMs + 5}), "applied 10/10 v2");
  EXPECT_EQ(state(id).begin_ms, kBeginMs + 5);
  EXPECT_EQ(update(id, {.begin_ms = kBeginMs}), "applied 10/10 v3");
  operate(id, kPublish);
  EXPECT_EQ(update(id, {.begin_ms = kBeginMs + 1}), "shrinks 10/10 v4");
  EXPECT_EQ(update(id, {.begin_ms = kBeginMs - 1}), "applied 10/10 v5");
  EXPECT_EQ(state(id).begin_ms, kBeginMs - 1);
}

TEST_F(Coupons, ARaiseLiftsBothTotalsAtOnce) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(update(id, {.total = 15}), "applied 15/15 v3");
  EXPECT_EQ(update(id, {.total = 15}), "unchanged 15/15 v3");
  EXPECT_EQ(events(id), "1create 2publish 3update ");
}

TEST_F(Coupons, ACutLowersTheTargetAndTheTotalFollows) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(update(id, {.total = 4}), "applied 4/10 v3");
  EXPECT_EQ(settle({claim(id, 1, 1000), claim(id, 2, 1001)}), (Words{"settled*", "settled*"}));
  EXPECT_EQ(cut(id, 2), "moved 4/10 v3");
  EXPECT_EQ(cut(id, 3), "applied 4/4 v4");
  EXPECT_EQ(cut(id, 4), "unchanged 4/4 v4");
  EXPECT_EQ(events(id), "1create 2publish 3update 4complete_cut ");
}

TEST_F(Coupons, WhatIsInFlightDuringACutStillSettles) {
  const auto id = coupon(5, 1);
  EXPECT_EQ(update(id, {.total = 3}), "applied 3/5 v3");
  std::vector<SettleClaim> flying;
  for (int i = 0; i < 4; ++i) flying.push_back(claim(id, 1 + i, 1000));
  for (int i = 0; i < 4; ++i) flying[static_cast<std::size_t>(i)].index = i;
  EXPECT_EQ(settle(flying), Words(4, "settled*"));
  EXPECT_EQ(cut(id, 3), "below_issued 3/5 v3");
  EXPECT_EQ(update(id, {.total = 3}), "unchanged 3/5 v3");
  EXPECT_EQ(update(id, {.total = 4}), "applied 4/5 v4");
  EXPECT_EQ(cut(id, 4), "applied 4/4 v5");
}

TEST_F(Coupons, ACutCanBeTakenBackAndOvertakenByARaise) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(update(id, {.total = 4}), "applied 4/10 v3");
  EXPECT_EQ(update(id, {.total = 10}), "applied 10/10 v4");
  EXPECT_EQ(cut(id, 3), "unchanged 10/10 v4");
  EXPECT_EQ(update(id, {.total = 6}), "applied 6/10 v5");
  EXPECT_EQ(update(id, {.total = 8}), "applied 8/10 v6");
  EXPECT_EQ(cut(id, 5), "moved 8/10 v6");
  EXPECT_EQ(update(id, {.total = 12}), "applied 12/12 v7");
}

TEST_F(Coupons, ACutBelowWhatIsSettledIsRefused) {
  const auto id = coupon(10, 1);
  settle({claim(id, 1, 1000), claim(id, 2, 1001)});
  EXPECT_EQ(update(id, {.total = 1}), "below_issued 10/10 v2");
  EXPECT_EQ(update(id, {.total = 2}), "applied 2/10 v3");
}

TEST_F(Coupons, UpdateExtendsAndNeverShrinks) {
  const auto id = coupon(10, 2);
  EXPECT_EQ(update(id, {.user_limit = 1}), "shrinks 10/10 v2");
  EXPECT_EQ(update(id, {.end_ms = kEndMs - 1}), "shrinks 10/10 v2");
  EXPECT_EQ(update(id, {}), "unchanged 10/10 v2");
  EXPECT_EQ(update(id, {.name = "new", .user_limit = 3, .end_ms = kEndMs + 1, .max_inflight = 5}), "applied 10/10 v3");
  const CouponState s = state(id);
  EXPECT_EQ(std::tuple(s.name, s.user_limit, s.end_ms, s.max_inflight),
            std::tuple(std::string("new"), 3, kEndMs + 1, 5));
}

TEST_F(Coupons, ADraftMayBecomeAnything) {
  const auto id = draft(10, 2);
  EXPECT_EQ(update(id, {.total = 4, .user_limit = 1, .end_ms = kEndMs - 5}), "applied 4/4 v2");
  EXPECT_EQ(operate(id, kPublish), "applied issuing");
  EXPECT_TRUE(state(id).may_create());
}

TEST_F(Coupons, AnEndedCouponIsNotUpdated) {
  const auto id = coupon(10, 1);
  operate(id, kEnd);
  EXPECT_EQ(update(id, {.total = 20}), "wrong_status 10/10 v3");
}

TEST_F(Coupons, RebuildRaisesTheEpochEveryTime) {
  const auto id = coupon(10, 1);
  EXPECT_EQ(begin_rebuild(session(), id)->state.epoch, 2);
  EXPECT_EQ(begin_rebuild(session(), id)->state.epoch, 3);
  EXPECT_EQ(events(id), "1create 2publish 3rebuild 4rebuild ");
  EXPECT_EQ(begin_rebuild(session(), draft(1, 1))->verdict, OperationVerdict::kWrongStatus);
}

TEST_F(Coupons, PurgeLeavesATombstoneAndNothingElse) {
  const auto id = coupon(1, 1), neighbour = coupon(10, 1);
  settle({claim(id, 1, 1000), claim(id, 2, 1001), claim(neighbour, 1, 1000)});
  EXPECT_EQ(purge_coupon(session(), id)->verdict, OperationVerdict::kWrongStatus);
  expect_books(id, 1, 1);
  operate(id, kEnd);
  EXPECT_EQ(purge_coupon(session(), id)->verdict, OperationVerdict::kApplied);
  EXPECT_EQ(purge_coupon(session(), id)->verdict, OperationVerdict::kUnchanged);
  EXPECT_EQ(query("SELECT count(*) FROM claim_outcome WHERE coupon_id = " + std::to_string(id)), "0");
  EXPECT_EQ(state(id).status, CouponStatus::kPurged);
  EXPECT_EQ(operate_coupon(session(), id, kPublish)->verdict, OperationVerdict::kNotFound);
  EXPECT_EQ(begin_rebuild(session(), id)->verdict, OperationVerdict::kNotFound);
  EXPECT_EQ(create_coupon(session(), {id, "a coupon", 1, 1, kBeginMs, kEndMs, 1000})->verdict,
            OperationVerdict::kExists);
  expect_books(neighbour, 1, 0);
}

TEST_F(Coupons, PurgeGoesOnWhereItWasInterrupted) {
  const auto id = coupon(200, 1);  // with room left: a purged coupon takes nothing all the same
  std::vector<SettleClaim> batch;
  for (int i = 0; i < 100; ++i) batch.push_back(claim(id, 1 + i, 1000, i));
  settle(batch);
  operate(id, kEnd);
  EXPECT_EQ(query("SELECT purge_claims(" + std::to_string(id) + ", 10)"), "0");  // not before the tombstone
  query("SELECT purge_coupon(" + std::to_string(id) + ")");
  EXPECT_EQ(query("SELECT purge_claims(" + std::to_string(id) + ", 30)"), "30");
  EXPECT_EQ(settle({batch[0]}), Words{"unknown_coupon"});
  EXPECT_EQ(purge_coupon(session(), id)->verdict, OperationVerdict::kUnchanged);
  EXPECT_EQ(query("SELECT count(*) FROM user_coupon WHERE coupon_id = " + std::to_string(id)), "0");
}

TEST_F(Coupons, ListPagesThroughTheLivingOnes) {
  const auto first = draft(1, 1), second = coupon(1, 1), third = coupon(1, 1), gone = coupon(1, 1);
  operate(gone, kEnd);
  ASSERT_TRUE(purge_coupon(session(), gone));
  const auto ids = [&](std::int64_t after, int limit, std::optional<CouponStatus> status = std::nullopt) {
    std::vector<std::int64_t> all;
    auto list = list_coupons(session(), after, limit, status);
    EXPECT_TRUE(list);
    for (const auto& s : *list) all.push_back(s.id);
    return all;
  };
  EXPECT_EQ(ids(first - 1, 100), (std::vector{first, second, third}));
  EXPECT_EQ(ids(first - 1, 2), (std::vector{first, second}));
  EXPECT_EQ(ids(second, 2), (std::vector{third}));
  EXPECT_EQ(ids(first - 1, 100, CouponStatus::kIssuing), (std::vector{second, third}));
  EXPECT_EQ(ids(first - 1, 100, CouponStatus::kPaused), std::vector<std::int64_t>{});
  EXPECT_TRUE(*ever_published(session()));
}

TEST_F(Coupons, EverPublishedIsFalseInANewDatabase) {
  use(harness::PrivatePostgres::shared().migrated_database());
  draft(10, 1);
  EXPECT_FALSE(*ever_published(session()));
  coupon(10, 1);
  EXPECT_TRUE(*ever_published(session()));
}

}  // namespace
}  // namespace flashclaim::postgres
