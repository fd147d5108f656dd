// apply_state: absolute values, versions, and a stock that is moved but never set.
#include <algorithm>

#include "tests/lua/fixture.h"

namespace flashclaim {

class ApplyState : public LuaTest {};

TEST_F(ApplyState, CreatesTheCouponItsStockItsStreamAndTheGroup) {
  publish(10, 2);
  EXPECT_EQ(stock(), "10");
  EXPECT_EQ(field("inflight"), "0");
  EXPECT_EQ(field("epoch"), "1");
  EXPECT_EQ(field("name"), "A coupon");
  EXPECT_EQ(command({"SMEMBERS", issuing}), "42");
  EXPECT_EQ(command({"XINFO", "GROUPS", keys.claims}).substr(0, 11), "name|mirror");
  accept({"7"});
  EXPECT_NE(command({"XREADGROUP", "GROUP", "mirror", "c", "STREAMS", keys.claims, ">"}), "(nil)")
      << "the group begins at the first entry";
}

TEST_F(ApplyState, RepeatedChangesNothing) {
  publish(10, 2);
  accept({"7"});
  const auto before = picture();
  EXPECT_EQ(apply(settings(10, 2), true), "OLD");
  EXPECT_EQ(apply(settings(99, 2), false), "OLD");
  EXPECT_EQ(picture(), before);
}

TEST_F(ApplyState, MovesStockByTheDifferenceOfTheTotals) {
  publish(10, 9);
  accept({"7", "8", "9"});
  auto next = settings(15, 9);
  next.version = 2;
  EXPECT_EQ(apply(next), "APPLIED");
  EXPECT_EQ(stock(), "12");
  next.version = 3;
  next.total = 3;
  EXPECT_EQ(apply(next), "APPLIED");
  EXPECT_EQ(stock(), "0");
  EXPECT_EQ(claim({"1"}), "SOLD_OUT");
  next.version = 4;
  next.total = 4;
  EXPECT_EQ(apply(next), "APPLIED");
  EXPECT_EQ(claim({"1", "2"}), "ACCEPTED SOLD_OUT");
}

TEST_F(ApplyState, RefusesACutBelowWhatIsLeft) {
  publish(10, 9);
  accept({"7", "8", "9"});
  const auto before = picture();
  auto cut = settings(2, 9);
  cut.version = 2;
  EXPECT_EQ(apply(cut), "SHORT");
  EXPECT_EQ(picture(), before);
}

TEST_F(ApplyState, PausesAndResumesWithClaimsInFlight) {
  publish(10, 9);
  accept({"7", "8", "9"});
  auto next = settings(10, 9);
  next.version = 2;
  next.status = "paused";
  EXPECT_EQ(apply(next), "APPLIED");
  EXPECT_EQ(claim({"1"}), "PAUSED");
  next.version = 3;
  next.status = "issuing";
  EXPECT_EQ(apply(next), "APPLIED");
  EXPECT_EQ(stock(), "7") << "a resume never sets the stock again";
  EXPECT_EQ(field("inflight"), "3");
}

TEST_F(ApplyState, EveryOrderAndRepetitionOfTheSameCallsEndsInTheSameState) {
  std::vector<redis::CouponSettings> calls;
  for (int version = 2; version <= 5; ++version) {
    auto next = settings(10 * version, version);
    next.version = version;
    next.status = version == 3 ? "paused" : "issuing";
    calls.push_back(next);
  }
  const auto first = settings(10, 1);
  std::map<std::string, std::string> expected;
  std::vector<int> order{0, 1, 2, 3};
  do {
    command({"FLUSHALL"});
    publish(first);
    command({"SET", keys.stock, "4"});  // six claims ago
    for (const int i : order) {
      apply(calls[i]);
      apply(calls[i]);
      apply(first, true);
    }
    auto now = picture();
    now.erase(keys.claims);  // DUMP of a stream holds the time of its group's creation
    if (expected.empty()) {
      expected = now;
    }
    ASSERT_EQ(now, expected);
    ASSERT_EQ(stock(), "44");
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(ApplyState, IsRefusedWithoutTheMarkerOrWithoutTheCoupon) {
  EXPECT_EQ(apply(settings(10, 1), true), "NOT_READY");
  ASSERT_EQ(call("mark_ready", {ready}, {}), "READY");
  EXPECT_EQ(apply(settings(10, 1), false), "NOT_LOADED");
  EXPECT_EQ(command({"KEYS", "*{42}*"}), "");
}

TEST_F(ApplyState, NeverCreatesOverTheRemainsOfACoupon) {
  publish(10, 1);
  const auto entry = accept({"7"});
  command({"DEL", keys.coupon});
  EXPECT_EQ(apply(settings(10, 1), true), "NOT_LOADED") << "stock and stream are there";
  command({"DEL", keys.stock});
  EXPECT_EQ(apply(settings(10, 1), true), "NOT_LOADED") << "an entry is there";
  command({"XDEL", keys.claims, entry.text()});
  EXPECT_EQ(apply(settings(10, 1), true), "NOT_LOADED") << "ids were given out";
  command({"DEL", keys.claims});
  EXPECT_EQ(apply(settings(10, 1), true), "APPLIED");
  EXPECT_EQ(stock(), "10");
}

TEST_F(ApplyState, NeverSetsAStockThatIsMissing) {
  publish(10, 1);
  command({"DEL", keys.stock});
  auto next = settings(20, 1);
  next.version = 2;
  EXPECT_EQ(apply(next), "NOT_LOADED");
  EXPECT_EQ(stock(), "(nil)");
}

TEST_F(ApplyState, IsRefusedWhileLoadingAndForAnotherEpoch) {
  publish(10, 1);
  auto next = settings(20, 1);
  next.version = 2;
  next.epoch = 2;
  EXPECT_EQ(apply(next), "EPOCH");
  next.epoch = 1;
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 0");
  EXPECT_EQ(apply(next), "LOADING");
  EXPECT_EQ(stock(), "10");
}

TEST_F(ApplyState, RefusesAWindowInSecondsOrMicroseconds) {
  ASSERT_EQ(call("mark_ready", {ready}, {}), "READY");
  const auto before = picture();
  for (const auto& [begin_ms, end_ms] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1'700'000'000, 1'900'000'000'000},
           {1'700'000'000'000, 1'900'000'000},
           {1'700'000'000, 1'900'000'000},
           {1'700'000'000'000, 1'900'000'000'000'000},
           {1'900'000'000'000, 1'700'000'000'000},
           {1'900'000'000'000, 1'900'000'000'000},
       }) {
    auto wrong = settings(10, 1);
    wrong.begin_ms = begin_ms;
    wrong.end_ms = end_ms;
    const auto reply = redis::apply_state(client(), wrong, true);
    ASSERT_FALSE(reply) << begin_ms << " " << end_ms;
    EXPECT_EQ(reply.error().message.substr(0, 8), "ARGUMENT");
  }
  EXPECT_EQ(picture(), before);
}

TEST_F(ApplyState, AnEndedCouponStaysWhereItIsReadUntilItIsRetired) {
  publish(10, 1);
  const auto entry = accept({"7"});
  auto end = settings(10, 1);
  end.version = 2;
  end.status = "ended";
  EXPECT_EQ(apply(end), "APPLIED");
  EXPECT_EQ(call("retire_coupon", {keys.coupon, keys.claims, issuing}, {"42"}), "KEPT");
  EXPECT_EQ(command({"SMEMBERS", issuing}), "42");
  ASSERT_EQ(finish(entry, 1), "FINISHED");
  EXPECT_EQ(call("retire_coupon", {keys.coupon, keys.claims, issuing}, {"42"}), "RETIRED");
  EXPECT_EQ(command({"SMEMBERS", issuing}), "");
  end.version = 3;
  end.status = "issuing";
  EXPECT_EQ(apply(end), "APPLIED");
  EXPECT_EQ(command({"SMEMBERS", issuing}), "42");
}

TEST_F(ApplyState, KeepsAnyBytesInTheName) {
  auto coupon = settings(10, 1);
  coupon.name = std::string("\0\r\n\"'\xff", 6) + "券";
  publish(coupon);
  EXPECT_EQ(field("name"), coupon.name);
}

}  // namespace flashclaim
