// claim: the order of the checks, the verdicts, batches judged in order, replay by Idempotency-Key.
#include "engine/base/digest.h"
#include "tests/lua/fixture.h"

namespace flashclaim {

class ClaimFunction : public LuaTest {};

TEST_F(ClaimFunction, TakesStockCountsTheUserAndWritesOneEntry) {
  publish(10, 2);
  const auto entry = accept({"7", "8"});
  EXPECT_EQ(stock(), "8");
  EXPECT_EQ(held(7), "1");
  EXPECT_EQ(held(8), "1");
  EXPECT_EQ(field("inflight"), "2");
  const auto h = checksum("1 7,8");
  EXPECT_EQ(command({"XRANGE", keys.claims, "-", "+"}), entry.text() + "|e|1|u|7,8|h|" + h);
}

TEST_F(ClaimFunction, AnswersTheEpochAndTheEntryOfTheAccepted) {
  publish(10, 2);
  const auto reply = call("claim", {keys.coupon, keys.stock, keys.claims, ready}, {"7"});
  EXPECT_EQ(reply, "1-" + last_entry().text() + "|ACCEPTED");
}

TEST_F(ClaimFunction, SaysForHowLongNobodyCanWin) {
  const auto asked = [this] { return call("claim", {keys.coupon, keys.stock, keys.claims, ready}, {"7"}); };
  EXPECT_EQ(asked(), "|NOT_READY|NOT_READY 100");
  publish(1, 2);
  EXPECT_TRUE(asked().ends_with("|ACCEPTED|SOLD_OUT 100")) << "the last unit is gone";
  EXPECT_EQ(asked(), "|SOLD_OUT|SOLD_OUT 100");
  auto later = settings(1, 2);
  later.version = 2;
  later.begin_ms = now_ms() + 60;
  ASSERT_EQ(apply(later, false), "APPLIED");
  const auto soon = asked();
  ASSERT_TRUE(soon.starts_with("|NOT_STARTED|NOT_STARTED ")) << soon;
  EXPECT_LE(std::stoi(soon.substr(soon.rfind(' ') + 1)), 60) << "not beyond the begin";
}

TEST_F(ClaimFunction, NumbersTheAcceptedAmongThemselves) {
  publish(10, 1);
  const redis::ClaimRequest asked[] = {{7, {}}, {7, {}}, {8, {}}};
  const auto verdicts = redis::claim(client(), kCoupon, asked);
  ASSERT_TRUE(verdicts) << verdicts.error().message;
  EXPECT_EQ((*verdicts)[0].verdict, redis::Verdict::kAccepted);
  EXPECT_EQ((*verdicts)[0].claim, (ClaimId{kCoupon, 1, last_entry(), 0}));
  EXPECT_EQ((*verdicts)[1].refusal, Problem::kLimitReached);
  EXPECT_EQ((*verdicts)[2].claim, (ClaimId{kCoupon, 1, last_entry(), 1}));
}

TEST_F(ClaimFunction, GivesExactlyTheLastUnit) {
  publish(1, 1);
  EXPECT_EQ(claim({"7", "8"}), "ACCEPTED SOLD_OUT");
  EXPECT_EQ(claim({"9"}), "SOLD_OUT");
  EXPECT_EQ(stock(), "0");
}

TEST_F(ClaimFunction, JudgesTheSameUserTwiceInOrder) {
  publish(10, 2);
  EXPECT_EQ(claim({"7", "8", "7", "7"}), "ACCEPTED ACCEPTED ACCEPTED LIMIT_REACHED");
  EXPECT_EQ(held(7), "2");
  EXPECT_EQ(stock(), "7");
}

TEST_F(ClaimFunction, SaysLimitReachedBeforeSoldOut) {
  publish(1, 1);
  accept({"7"});
  EXPECT_EQ(claim({"7", "8"}), "LIMIT_REACHED SOLD_OUT");
}

TEST_F(ClaimFunction, TakesNothingForRefusedClaims) {
  publish(5, 1);
  accept({"7"});
  const auto before = picture();
  EXPECT_EQ(claim({"7", "7"}), "LIMIT_REACHED LIMIT_REACHED");
  EXPECT_EQ(picture(), before);
}

TEST_F(ClaimFunction, BoundsTheClaimsInFlight) {
  auto small = settings(10, 5);
  small.max_inflight = 3;
  publish(small);
  EXPECT_EQ(claim({"1", "2", "3", "4"}), "ACCEPTED ACCEPTED ACCEPTED BUSY");
  EXPECT_EQ(claim({"5"}), "BUSY");
  EXPECT_EQ(finish(last_entry(), 3), "FINISHED");
  EXPECT_EQ(claim({"5"}), "ACCEPTED");
}

TEST_F(ClaimFunction, SaysSoldOutRatherThanBusyWhenNothingIsLeft) {
  auto small = settings(1, 1);
  small.max_inflight = 1;
  publish(small);
  accept({"1"});
  EXPECT_EQ(claim({"2"}), "SOLD_OUT");
}

TEST_F(ClaimFunction, ObeysStatusAndWindow) {
  auto coupon = settings(10, 1);
  const auto now = now_ms();
  coupon.begin_ms = now + kHourMs;
  coupon.end_ms = now + 2 * kHourMs;
  publish(coupon);
  EXPECT_EQ(claim({"7"}), "NOT_STARTED");

  coupon.version = 2;
  coupon.begin_ms = now - 2 * kHourMs;
  coupon.end_ms = now - kHourMs;
  ASSERT_EQ(apply(coupon), "APPLIED");
  EXPECT_EQ(claim({"7"}), "ENDED");

  coupon.version = 3;
  coupon.end_ms = now + kHourMs;
  coupon.status = "paused";
  ASSERT_EQ(apply(coupon), "APPLIED");
  EXPECT_EQ(claim({"7"}), "PAUSED");

  coupon.version = 4;
  coupon.status = "ended";
  ASSERT_EQ(apply(coupon), "APPLIED");
  EXPECT_EQ(claim({"7"}), "ENDED");

  coupon.version = 5;
  coupon.status = "issuing";
  ASSERT_EQ(apply(coupon), "APPLIED");
  EXPECT_EQ(claim({"7"}), "ACCEPTED");
}

TEST_F(ClaimFunction, OpensAndClosesAtTheExactMillisecondOfRedis) {
  auto coupon = settings(1'000'000, 1'000'000);
  coupon.begin_ms = now_ms() + 30;
  coupon.end_ms = coupon.begin_ms + 30;
  publish(coupon);
  std::string verdict;
  int accepted = 0;
  while (verdict != "ENDED") {
    const auto before = now_ms();
    verdict = claim({"7"});
    const auto after = now_ms();
    if (verdict == "NOT_STARTED") {
      ASSERT_LT(before, coupon.begin_ms);
    } else if (verdict == "ACCEPTED") {
      ++accepted;
      ASSERT_GE(after, coupon.begin_ms);
      ASSERT_LT(before, coupon.end_ms);
    } else {
      ASSERT_EQ(verdict, "ENDED");
      ASSERT_GE(after, coupon.end_ms);
    }
  }
  EXPECT_EQ(stock(), std::to_string(1'000'000 - accepted));
}

TEST_F(ClaimFunction, TellsAnUnknownCouponFromARedisThatLostItsData) {
  EXPECT_EQ(claim({"7"}), "NOT_READY");
  ASSERT_EQ(call("mark_ready", {ready}, {}), "READY");
  EXPECT_EQ(claim({"7", "8"}), "NO_COUPON NO_COUPON");
}

TEST_F(ClaimFunction, NeverSaysSoldOutWhenStockOrStreamAreMissing) {
  publish(10, 1);
  command({"DEL", keys.stock});
  const auto without_stock = picture();
  EXPECT_EQ(claim({"7"}), "NOT_READY");
  EXPECT_EQ(picture(), without_stock);

  command({"SET", keys.stock, "10"});
  command({"DEL", keys.claims});
  const auto without_stream = picture();
  EXPECT_EQ(claim({"7", "7"}), "NOT_READY NOT_READY");
  EXPECT_EQ(picture(), without_stream);
}

TEST_F(ClaimFunction, AnswersNotReadyWhileARebuildIsUnderWay) {
  publish(10, 1);
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 0");
  EXPECT_EQ(claim({"7"}), "NOT_READY");
}

TEST_F(ClaimFunction, TakesNegativeStockForSoldOut) {
  publish(1, 1);
  command({"SET", keys.stock, "-3"});
  EXPECT_EQ(claim({"7"}), "SOLD_OUT");
}

TEST_F(ClaimFunction, ReplaysTheSameKeyWithoutTakingStock) {
  publish(10, 5);
  EXPECT_EQ(claim({"7:order-1"}), "ACCEPTED");
  const auto replayed = "REPLAYED=1-" + last_entry().text() + "-0";
  const auto before = picture();
  EXPECT_EQ(claim({"7:order-1"}), replayed);
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(claim({"8:order-1"}), "ACCEPTED") << "a key belongs to one user";
  EXPECT_EQ(claim({"7:order-2"}), "ACCEPTED");
}

TEST_F(ClaimFunction, ReplaysTheSameKeyTwiceInOneBatch) {
  publish(10, 5);
  EXPECT_EQ(claim({"6", "7:k", "7:k", "7:j", "7:k"}).find("ACCEPTED ACCEPTED REPLAYED="), 0U);
  const auto prefix = "1-" + last_entry().text();
  EXPECT_EQ(claim({"7:k", "7:j"}), "REPLAYED=" + prefix + "-1 REPLAYED=" + prefix + "-2");
  EXPECT_EQ(held(7), "2");
  EXPECT_EQ(stock(), "7");
}

TEST_F(ClaimFunction, ReplaysBeforeEveryOtherCheck) {
  auto coupon = settings(1, 1);
  publish(coupon);
  ASSERT_EQ(claim({"7:k"}), "ACCEPTED");
  const auto replayed = "REPLAYED=1-" + last_entry().text() + "-0";
  EXPECT_EQ(claim({"7:k", "7:j", "8:k"}), replayed + " LIMIT_REACHED SOLD_OUT");
  coupon.version = 2;
  coupon.status = "ended";
  ASSERT_EQ(apply(coupon), "APPLIED");
  EXPECT_EQ(claim({"7:k", "8"}), replayed + " ENDED");
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 1");
  EXPECT_EQ(claim({"7:k", "8"}), replayed + " NOT_READY");
}

TEST_F(ClaimFunction, StoresOnlyAcceptancesUnderAKeyAndForADay) {
  publish(1, 1);
  ASSERT_EQ(claim({"7:k", "8:k"}), "ACCEPTED SOLD_OUT");
  EXPECT_EQ(command({"EXISTS", keys.idempotency(8, "k")}), "0");
  EXPECT_EQ(command({"GET", keys.idempotency(7, "k")}), "1-" + last_entry().text() + "-0");
  const auto ttl = parse_number(command({"TTL", keys.idempotency(7, "k")}));
  ASSERT_TRUE(ttl);
  EXPECT_LE(*ttl, 86400);
  EXPECT_GT(*ttl, 80000);
}

TEST_F(ClaimFunction, KeepsEveryDigitOfTheLargestIds) {
  const redis::CouponKeys large(INT64_MAX);
  auto coupon = settings(10, 2);
  coupon.coupon_id = INT64_MAX;
  publish(coupon);
  const redis::ClaimRequest asked[] = {{INT64_MAX, {}}, {INT64_MAX - 1, "k"}, {INT64_MAX, {}}, {INT64_MAX, {}}};
  const auto verdicts = redis::claim(client(), INT64_MAX, asked);
  ASSERT_TRUE(verdicts) << verdicts.error().message;
  EXPECT_EQ((*verdicts)[2].verdict, redis::Verdict::kAccepted);
  EXPECT_EQ((*verdicts)[3].refusal, Problem::kLimitReached);
  EXPECT_EQ(command({"GET", large.user(INT64_MAX)}), "2");
  EXPECT_EQ(command({"GET", large.user(INT64_MAX - 1)}), "1");
  const std::int64_t users[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX - 2};
  const auto counts = redis::user_counts(client(), INT64_MAX, {}, users, {});
  ASSERT_TRUE(counts && counts->has_value());
  EXPECT_EQ((*counts)->counts, (std::vector<std::int64_t>{2, 1, 0}));
  ASSERT_EQ((*counts)->in_flight.size(), 3U);
  EXPECT_EQ((*counts)->in_flight[0].user_id, INT64_MAX);
  const auto view = redis::claim_view(client(), (*verdicts)[1].claim);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->user_id, INT64_MAX - 1);
}

TEST_F(ClaimFunction, CountsExactlyNearTheLargestNumbers) {
  auto coupon = settings(999'999'999'999'999, 999'999'999'999'999);
  coupon.max_inflight = 999'999'999'999'999;
  publish(coupon);
  command({"SET", keys.user(7), "999999999999997"});
  command({"HSET", keys.coupon, "inflight", "999999999999996"});
  EXPECT_EQ(claim({"7", "7", "7"}), "ACCEPTED ACCEPTED LIMIT_REACHED");
  EXPECT_EQ(held(7), "999999999999999");
  EXPECT_EQ(stock(), "999999999999997");
  EXPECT_EQ(claim({"8", "9"}), "ACCEPTED BUSY");
  EXPECT_EQ(field("inflight"), "999999999999999");
}

TEST_F(ClaimFunction, TakesUpTo256ClaimsACall) {
  publish(1000, 1);
  Words users;
  for (int i = 1; i <= 256; ++i) {
    users.push_back(std::to_string(i));
  }
  accept(users);
  EXPECT_EQ(stock(), "744");
  users.emplace_back("257");
  const auto before = picture();
  EXPECT_EQ(error_code(claim(users)), "ARGUMENT");
  EXPECT_EQ(picture(), before);
}

TEST_F(ClaimFunction, UsesTheKeysOfTheHashTagForBuckets) {
  const std::string tag = "{42:1}";
  const Words bucket{"prs:coupon:" + tag, "coupon:stock:" + tag, "coupon:claims:" + tag, ready, issuing};
  auto coupon = settings(5, 1);
  ASSERT_EQ(call("mark_ready", {ready}, {}), "READY");
  ASSERT_EQ(call("apply_state", bucket,
                 {"1", "1", "issuing", "n", "5", "1", std::to_string(coupon.begin_ms), std::to_string(coupon.end_ms),
                  "100", "1"}),
            "APPLIED");
  call("claim", {bucket[0], bucket[1], bucket[2], ready}, {"7:k"});
  EXPECT_EQ(command({"GET", "coupon:key:" + tag + ":7:k"}).substr(0, 2), "1-");
  EXPECT_EQ(command({"GET", "prs:coupon:" + tag + ":prs:usr:coupon:7"}), "1");
}

}  // namespace flashclaim
