// The invariant checker can fail: one test for each kind of violation, injected into stores that were sound.
#include "engine/amqp/topology.h"
#include "engine/postgres/settle.h"
#include "tests/integration/admin_stores.h"

namespace flashclaim::operations {
namespace {

class Checker : public Stores {
 protected:
  /// A coupon of 5 with limit 2: users 1, 2, 3 hold one settled claim each, 2 units are left.
  void SetUp() override {
    Stores::SetUp();
    id_ = issue(5, 2);
    acknowledged_ = claim(id_, {1, 2, 3});
    settle(id_);
    expect_sound(id_);
  }
  [[nodiscard]] redis::CouponKeys keys() const { return redis::CouponKeys(id_); }
  /// Sold out, user 1 at their limit; then a total of 50 and a limit of 10.
  void claim_then_raise_terms() {
    claim(id_, {4, 1});
    settle(id_);
    CouponChange change;
    change.total = 50;
    change.user_limit = 10;
    ASSERT_TRUE(update_coupon(redis(), pg(), id_, change));
  }
  [[nodiscard]] std::string where() const { return " WHERE coupon_id = " + std::to_string(id_); }
  CheckReport judge_told(std::vector<ReportedRefusal> told) {
    CheckOptions options;
    options.told = std::move(told);
    return judge(id_, options);
  }
  CheckReport judge_acknowledged() {
    CheckOptions options;
    options.acknowledged = acknowledged_;
    return judge(id_, options);
  }
  static void expect_only(const CheckReport& report, int invariant, std::int64_t count = 1) {
    ASSERT_EQ(report.violations.size(), 1U) << (report.violations.empty() ? "" : report.violations[0].text);
    EXPECT_EQ(report.violations[0].invariant, invariant) << report.violations[0].text;
    EXPECT_EQ(report.violations[0].count, count) << report.violations[0].text;
  }
  /// Another row for user `user`, as nothing but a defect could write it.
  void insert_row(std::int64_t user, std::int64_t entry_ms, int ordinal) const {
    sql("INSERT INTO user_coupon (coupon_id, user_id, ordinal, epoch, entry_ms, entry_seq, entry_index, claimed_at, "
        "settled_at) SELECT " +
        std::to_string(id_) + ", " + std::to_string(user) + ", " + std::to_string(ordinal) + ", 1, " +
        std::to_string(entry_ms) + ", 0, 0, now(), now()");
  }

  std::int64_t id_ = 0;
  std::vector<Acknowledged> acknowledged_;
};

TEST_F(Checker, CountsWhatItSaw) {
  const auto report = judge_acknowledged();
  EXPECT_TRUE(report.holds());
  EXPECT_EQ(report.coupons, 1);
  EXPECT_EQ(report.settled, 3);
  EXPECT_EQ(report.left, 2);
  EXPECT_EQ(report.acknowledged, 3);
  EXPECT_EQ(report.pending + report.lost + report.untold + report.refused + report.in_flight, 0);
}

TEST_F(Checker, Inv1OversoldRows) {
  for (int user = 4; user <= 6; ++user) insert_row(user, 1'795'380'024'805 + user, 1);
  const auto report = judge(id_);
  EXPECT_TRUE(report.violates(1));
  EXPECT_EQ(report.violations[0].count, 1);
}

TEST_F(Checker, Inv1IssueNumThatIsNotTheNumberOfRows) {
  sql("UPDATE coupon SET issue_num = 2 WHERE id = " + std::to_string(id_));
  expect_only(judge(id_), 1);
}

TEST_F(Checker, Inv2AUserAboveTheLimit) {
  insert_row(1, 1'795'380'024'901, 2);
  insert_row(1, 1'795'380'024'902, 3);
  EXPECT_TRUE(judge(id_).violates(2));
  CheckOptions selling;
  selling.at_rest = false;
  expect_only(judge(id_, selling), 2);
}

TEST_F(Checker, Inv3AnAcknowledgedClaimThatIsNowhere) {
  acknowledged_.push_back({{id_, 1, {1'795'380'024'805, 0}, 0}, 9});
  expect_only(judge_acknowledged(), 3);
  CheckOptions selling;
  selling.at_rest = false;
  selling.acknowledged = acknowledged_;
  expect_only(judge(id_, selling), 3);
}

TEST_F(Checker, Inv3CountsWhatALossCostsApartWhenItIsAllowed) {
  acknowledged_.push_back({{id_, 1, {1'795'380'024'805, 0}, 0}, 9});
  CheckOptions options;
  options.acknowledged = acknowledged_;
  options.lost_allowed = true;
  const auto report = judge(id_, options);
  EXPECT_TRUE(report.holds());
  EXPECT_EQ(report.lost, 1);
}

TEST_F(Checker, Inv3AClaimThatIsSettledAndRefused) {
  sql("INSERT INTO claim_rejection (coupon_id, epoch, entry_ms, entry_seq, entry_index, user_id, reason, "
      "rejected_at) SELECT coupon_id, epoch, entry_ms, entry_seq, entry_index, user_id, 'over_limit', now() FROM "
      "user_coupon" +
      where() + " AND user_id = 1");
  expect_only(judge(id_), 3);
}

TEST_F(Checker, Inv3AClaimThatIsSettledTwice) {
  sql("ALTER TABLE user_coupon DROP CONSTRAINT user_coupon_claim_key");
  sql("INSERT INTO user_coupon (coupon_id, user_id, ordinal, epoch, entry_ms, entry_seq, entry_index, claimed_at, "
      "settled_at) SELECT coupon_id, user_id, 2, epoch, entry_ms, entry_seq, entry_index, claimed_at, settled_at FROM "
      "user_coupon" +
      where() + " AND user_id = 1");
  const auto report = judge_acknowledged();
  EXPECT_TRUE(report.violates(3));
}

TEST_F(Checker, Inv3AClaimThatBecameAnotherUsers) {
  acknowledged_[0].user_id = 9;
  expect_only(judge_acknowledged(), 3);
}

TEST_F(Checker, Inv3OneClaimAcknowledgedToTwoUsers) {
  acknowledged_.push_back({acknowledged_[0].claim, 9});
  expect_only(judge_acknowledged(), 3);
}

TEST_F(Checker, Inv3TheSameAcknowledgementTwiceIsOne) {
  acknowledged_.push_back(acknowledged_[0]);
  const auto report = judge_acknowledged();
  EXPECT_TRUE(report.holds());
  EXPECT_EQ(report.acknowledged, 3);
}

TEST_F(Checker, Inv3AcknowledgementsOfACouponThatIsNotChecked) {
  acknowledged_.push_back({{id_ + 1, 1, {1'795'380'024'805, 0}, 0}, 9});
  expect_only(judge_acknowledged(), 3);
}

TEST_F(Checker, ARowNobodyWasToldOfIsCountedApart) {
  acknowledged_.pop_back();
  const auto report = judge_acknowledged();
  EXPECT_TRUE(report.holds());
  EXPECT_EQ(report.untold, 1);
}

TEST_F(Checker, Inv4AUnitTooManyOrTooFew) {
  redis_raw({"INCRBY", keys().stock, "2"});
  expect_only(judge(id_), 4, 2);
  redis_raw({"INCRBY", keys().stock, "-5"});
  expect_only(judge(id_), 4, 3);
}

TEST_F(Checker, Inv4AnUnfinishedEntryAtRest) {
  claim(id_, {4});
  expect_only(judge(id_), 4);
  CheckOptions selling;
  selling.at_rest = false;
  EXPECT_TRUE(judge(id_, selling).holds());
}

TEST_F(Checker, ADeadEntryKeepsItsReservation) {
  const auto dead = claim(id_, {4, 5});
  ASSERT_TRUE(redis::mark_dead(redis(), id_, dead[0].claim.entry));
  acknowledged_.insert(acknowledged_.end(), dead.begin(), dead.end());
  const auto report = judge_acknowledged();
  EXPECT_TRUE(report.holds());
  EXPECT_EQ(report.dead, 2);
  EXPECT_EQ(report.pending, 2);
}

TEST_F(Checker, Inv4ADeadMarkWithoutItsEntry) {
  redis_raw({"SADD", keys().dead, "1795380024805-0"});
  expect_only(judge(id_), 4);
}

TEST_F(Checker, Inv4ACountOfInflightThatIsWrong) {
  redis_raw({"HINCRBY", keys().coupon, "inflight", "1"});
  expect_only(judge(id_), 4);
}

TEST_F(Checker, Inv4AUserCountTooHighTooLowOrOfNobody) {
  redis_raw({"SET", keys().user(1), "2"});
  redis_raw({"DEL", keys().user(2)});
  redis_raw({"SET", keys().user(99), "1"});
  expect_only(judge(id_), 4, 3);
}

TEST_F(Checker, Inv4AUserCountThatIsNoNumber) {
  redis_raw({"SET", keys().user(1), "one"});
  expect_only(judge(id_), 4, 1);
}

TEST_F(Checker, Inv4ARedisThatWasToldAnotherTotal) {
  sql("UPDATE coupon SET total_num = 6, target_total = 6 WHERE id = " + std::to_string(id_));
  expect_only(judge(id_), 4);
}

TEST_F(Checker, Inv4ARedisThatDoesNotHoldTheCoupon) {
  redis_raw({"FLUSHALL"});
  EXPECT_TRUE(judge(id_).violates(4));
}

TEST_F(Checker, Inv4ACouponThatRedisKeptAfterItsPurge) {
  ASSERT_TRUE(end_coupon(redis(), pg(), id_));
  ASSERT_TRUE(postgres::purge_coupon(pg(), id_));
  EXPECT_TRUE(judge(id_).violates(4));
}

TEST_F(Checker, Inv4ACouponThatTheDatabaseDoesNotHave) { EXPECT_TRUE(judge(id_ + 1).violates(4)); }

TEST_F(Checker, Inv4AMessageLeftInAQueue) {
  amqp::Publication message;
  const std::string queue = amqp::retry_queue(amqp::kRetryDelaysMs.back());
  message.routing_key = queue;
  message.body = "{}";
  ASSERT_TRUE(amqp().publish(message));
  ASSERT_TRUE(amqp().flush());
  const std::vector<std::int64_t> ids = {id_};
  ASSERT_TRUE(harness::wait_until([&] { return amqp().queue_depth(queue).value() == 1; }));
  const auto report = check(redis(), pg(), &amqp(), ids, {});
  ASSERT_TRUE(report);
  expect_only(*report, 4);
  ASSERT_TRUE(amqp().purge_queue(queue));
  const auto clean = check(redis(), pg(), &amqp(), ids, {});
  ASSERT_TRUE(clean);
  EXPECT_TRUE(clean->holds());
}

TEST_F(Checker, Inv5SoldOutThatWasNotTrue) {
  expect_only(judge_told({{id_, 9, ReportedRefusal::Kind::kSoldOut}, {id_, 8, ReportedRefusal::Kind::kSoldOut}}), 5, 2);
  claim(id_, {4, 5});
  settle(id_);
  EXPECT_TRUE(judge_told({{id_, 9, ReportedRefusal::Kind::kSoldOut}}).holds());
}

TEST_F(Checker, Inv5LimitReachedThatWasNotTrue) {
  expect_only(judge_told({{id_, 1, ReportedRefusal::Kind::kLimitReached}}), 5);
  claim(id_, {1});
  settle(id_);
  EXPECT_TRUE(judge_told({{id_, 1, ReportedRefusal::Kind::kLimitReached}}).holds());
}

TEST_F(Checker, Inv5ARefusalWasTrueByTheTermsOfItsTime) {
  claim_then_raise_terms();
  EXPECT_TRUE(
      judge_told({{id_, 9, ReportedRefusal::Kind::kSoldOut}, {id_, 1, ReportedRefusal::Kind::kLimitReached}}).holds());
}

TEST_F(Checker, Inv5ARefusalWasFalseByTheTermsThatTheClientKnew) {
  claim_then_raise_terms();
  expect_only(judge_told({{id_, 9, ReportedRefusal::Kind::kSoldOut, 50}, {id_, 8, ReportedRefusal::Kind::kSoldOut, 5}}),
              5);
  expect_only(judge_told({{id_, 1, ReportedRefusal::Kind::kLimitReached, 10},
                          {id_, 1, ReportedRefusal::Kind::kLimitReached, 2}}),
              5);
}

TEST_F(Checker, JudgesASaleUnderWay) {
  const auto id = issue(1'000'000, 1000);
  Sale sale(redis_url(), pg_url(), id, 200);
  CheckOptions selling;
  selling.at_rest = false;
  for (int round = 0; round < 5; ++round) {
    const std::int64_t before = sale.accepted();
    ASSERT_TRUE(harness::wait_until([&] { return sale.accepted() > before + 200; }));
    EXPECT_TRUE(judge(id, selling).holds());
  }
  sale.stop();
  CheckOptions rest;
  rest.acknowledged = sale.acknowledged();
  const auto report = judge(id, rest);
  EXPECT_TRUE(report.holds());
  EXPECT_EQ(report.settled, static_cast<std::int64_t>(sale.acknowledged().size()));
}

}  // namespace
}  // namespace flashclaim::operations
