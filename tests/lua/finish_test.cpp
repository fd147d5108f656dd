// finish: the token, the compensation, and what each kind of absence means.
#include "engine/base/digest.h"
#include "tests/lua/fixture.h"

namespace flashclaim {

class FinishFunction : public LuaTest {};

TEST_F(FinishFunction, RemovesTheEntryOnceAndKeepsWhatWasSettled) {
  publish(10, 2);
  const auto entry = accept({"7", "8"});
  EXPECT_EQ(finish(entry, 2), "FINISHED");
  EXPECT_EQ(command({"XLEN", keys.claims}), "0");
  EXPECT_EQ(stock(), "8");
  EXPECT_EQ(held(7), "1");
  EXPECT_EQ(field("inflight"), "0");
  const auto after = picture();
  EXPECT_EQ(finish(entry, 2), "ABSENT");
  EXPECT_EQ(picture(), after);
}

TEST_F(FinishFunction, ReturnsExactlyTheRefusedOnceOnly) {
  publish(10, 3);
  const auto entry = accept({"7", "7", "8", "9"});
  const Words refusals{"0=rejected", "1=rejected", "3=stale_epoch"};
  EXPECT_EQ(finish(entry, 4, refusals), "FINISHED");
  EXPECT_EQ(stock(), "9");
  EXPECT_EQ(held(7), "(nil)") << "a count of 0 is no key";
  EXPECT_EQ(held(8), "1");
  EXPECT_EQ(held(9), "(nil)");
  EXPECT_EQ(field("suspect"), "(nil)");
  EXPECT_EQ(finish(entry, 4, refusals), "ABSENT");
  EXPECT_EQ(stock(), "9");
}

TEST_F(FinishFunction, LowersACountThatOtherClaimsShare) {
  publish(10, 3);
  accept({"7"});
  const auto entry = accept({"7", "7"});
  EXPECT_EQ(finish(entry, 2, {"1=over_limit"}), "FINISHED");
  EXPECT_EQ(held(7), "2");
}

TEST_F(FinishFunction, TouchesOnlyKeysThatExist) {
  publish(10, 3);
  const auto entry = accept({"7"});
  command({"DEL", keys.stock, keys.user(7)});
  EXPECT_EQ(finish(entry, 1, {"0=rejected"}), "FINISHED");
  EXPECT_EQ(stock(), "(nil)");
  EXPECT_EQ(held(7), "(nil)");
}

TEST_F(FinishFunction, WritesTheOutcomeOfEachClaimForAnHour) {
  publish(10, 3);
  const auto entry = accept({"7", "8"});
  ASSERT_EQ(finish(entry, 2, {"1=out_of_stock"}), "FINISHED");
  EXPECT_EQ(command({"GET", keys.result(entry)}), "1 7,8 settled,out_of_stock");
  const auto ttl = parse_number(command({"TTL", keys.result(entry)}));
  ASSERT_TRUE(ttl);
  EXPECT_LE(*ttl, 3600);
  EXPECT_GT(*ttl, 3000);
}

TEST_F(FinishFunction, MarksSuspectWhenTheDatabaseHadLessThanRedis) {
  publish(10, 9);
  EXPECT_EQ(finish(accept({"7"}), 1, {"0=out_of_stock"}), "FINISHED");
  EXPECT_EQ(field("suspect"), "1");
  EXPECT_EQ(finish(accept({"7"}), 1, {"0=over_limit"}), "FINISHED");
  EXPECT_EQ(field("suspect"), "2");
  EXPECT_EQ(finish(accept({"7"}), 1, {"0=unknown_coupon"}), "FINISHED");
  EXPECT_EQ(field("suspect"), "2");
}

TEST_F(FinishFunction, ClearsTheDeadMarkOfTheEntry) {
  publish(10, 9);
  const auto entry = accept({"7"});
  const auto other = accept({"8"});
  ASSERT_EQ(call("mark_dead", {keys.claims, keys.dead}, {entry.text()}), "MARKED");
  ASSERT_EQ(call("mark_dead", {keys.claims, keys.dead}, {other.text()}), "MARKED");
  EXPECT_EQ(finish(entry, 1), "FINISHED");
  EXPECT_EQ(command({"SMEMBERS", keys.dead}), other.text());
}

TEST_F(FinishFunction, ChangesNothingOnAMismatch) {
  publish(10, 9);
  const auto entry = accept({"7", "8"});
  const auto before = picture();
  EXPECT_EQ(finish(entry, 1), "MISMATCH");
  EXPECT_EQ(finish(entry, 3), "MISMATCH");
  EXPECT_EQ(finish(entry, 2, {}, true, 2), "MISMATCH");
  EXPECT_EQ(finish(entry, 2, {"1=rejected", "0=rejected"}), "MISMATCH");
  EXPECT_EQ(finish(entry, 2, {"1=rejected", "1=rejected"}), "MISMATCH");
  EXPECT_EQ(finish(entry, 2, {"0=rejected", "2=rejected"}), "MISMATCH");
  EXPECT_EQ(picture(), before);
}

TEST_F(FinishFunction, MarksSuspectAFreshSettleWhoseEntryIsGone) {
  publish(10, 9);
  const auto entry = accept({"7"});
  ASSERT_EQ(finish(entry, 1), "FINISHED");
  EXPECT_EQ(finish(entry, 1, {}, false), "ABSENT");
  EXPECT_EQ(field("suspect"), "(nil)");
  EXPECT_EQ(finish(entry, 1, {}, true), "ABSENT");
  EXPECT_EQ(field("suspect"), "1");
}

TEST_F(FinishFunction, CountsClaimsThatWereSettledThoughRedisKnowsNothingOfTheirEntry) {
  publish(10, 9);
  const auto entry = accept({"7", "8"});
  const EntryId never{entry.ms, entry.seq + 1};
  EXPECT_EQ(finish(never, 2, {}, false), "BEYOND");
  EXPECT_EQ(finish(never, 2, {"0=rejected", "1=rejected"}, true), "BEYOND");
  EXPECT_EQ(field("unaccepted"), "(nil)") << "nothing was settled just now";
  EXPECT_EQ(finish(never, 3, {"1=out_of_stock"}, true), "BEYOND");
  EXPECT_EQ(field("unaccepted"), "2");
  command({"XDEL", keys.claims, entry.text()});
  EXPECT_EQ(finish(entry, 2, {}, true), "ABSENT");
  EXPECT_EQ(field("unaccepted"), "4") << "an entry that was lost";
  const auto other = accept({"9"});
  ASSERT_EQ(finish(other, 1), "FINISHED");
  EXPECT_EQ(finish(other, 1, {}, true), "ABSENT");
  EXPECT_EQ(field("unaccepted"), "4") << "it was finished before: the answer of the database was lost, say";
}

TEST_F(FinishFunction, EntryViewSaysFinishedOnlyByWhatFinishLeft) {
  publish(10, 9);
  const auto entry = accept({"7", "8"});
  const auto view = [&](const std::string& epoch, const std::string& users) {
    return call("entry_view", {keys.claims, keys.result(entry)}, {epoch, entry.text(), checksum(epoch + " " + users)});
  };
  EXPECT_EQ(view("1", "7,8"), "WAITING");
  EXPECT_EQ(view("1", "7,9"), "OTHER");
  EXPECT_EQ(view("1", "7"), "OTHER");
  EXPECT_EQ(view("2", "7,8"), "UNKNOWN") << "a message of another epoch is not about this entry";
  ASSERT_EQ(finish(entry, 2, {"1=out_of_stock"}), "FINISHED");
  EXPECT_EQ(view("1", "7,8"), "FINISHED");
  EXPECT_EQ(view("1", "7,9"), "OTHER");
  EXPECT_EQ(view("2", "7,8"), "UNKNOWN");
  command({"DEL", keys.result(entry)});
  EXPECT_EQ(view("1", "7,8"), "UNKNOWN") << "absent is no proof";
}

TEST_F(FinishFunction, MarksSuspectAnIdThatRedisNeverGaveOut) {
  publish(10, 9);
  const auto entry = accept({"7"});
  EXPECT_EQ(finish({entry.ms, entry.seq + 1}, 1), "BEYOND");
  EXPECT_EQ(field("suspect"), "1");
  EXPECT_EQ(finish({entry.ms + 1, 0}, 1), "BEYOND");
  EXPECT_EQ(finish({INT64_MAX, INT64_MAX}, 1), "BEYOND");
  EXPECT_EQ(field("suspect"), "3");
  EXPECT_EQ(finish({9, 0}, 1), "ABSENT") << "ids are compared as numbers, not as text";
  EXPECT_EQ(stock(), "9");
}

TEST_F(FinishFunction, SaysBeyondForALaterEpochAndNothingForAnEarlierOne) {
  publish(10, 9);
  const auto entry = accept({"7"});
  ASSERT_EQ(finish(entry, 1), "FINISHED");
  EXPECT_EQ(finish(entry, 1, {}, false, 2), "BEYOND");
  EXPECT_EQ(field("suspect"), "1");
  command({"HSET", keys.coupon, "epoch", "3"});
  EXPECT_EQ(finish(entry, 1, {"0=stale_epoch"}, true), "ABSENT");
  EXPECT_EQ(finish({entry.ms + kHourMs, 0}, 1, {"0=stale_epoch"}, true), "ABSENT");
  EXPECT_EQ(field("suspect"), "1");
}

TEST_F(FinishFunction, LeavesAnEntryWhoseEpochIsNotTheCoupons) {
  publish(10, 9);
  const auto entry = accept({"7"});
  command({"HSET", keys.coupon, "epoch", "2"});
  const auto before = picture();
  EXPECT_EQ(finish(entry, 1, {}, true, 1), "MISMATCH");
  EXPECT_EQ(finish(entry, 1, {}, true, 2), "MISMATCH");
  EXPECT_EQ(picture(), before);
}

TEST_F(FinishFunction, KnowsNoCoupon) {
  EXPECT_EQ(finish({1, 0}, 1), "NO_COUPON");
  EXPECT_TRUE(picture().empty());
}

TEST_F(FinishFunction, DrainsWhileARebuildHasOnlyItsStatus) {
  publish(10, 9);
  const auto entry = accept({"7"});
  command({"DEL", keys.coupon, keys.stock});
  ASSERT_EQ(call("rebuild_freeze", {keys.coupon, keys.claims}, {}), "FROZEN 1");
  EXPECT_EQ(finish(entry, 1), "FINISHED");
  EXPECT_EQ(command({"HGETALL", keys.coupon}), "status|loading");
}

TEST_F(FinishFunction, PipelinesMany) {
  publish(100, 100);
  std::vector<redis::FinishCall> calls;
  for (int i = 0; i < 50; ++i) {
    calls.push_back({kCoupon, 1, accept({"7", "8"}), 2, true, {}});
  }
  calls[10].refused.push_back({1, "rejected"});
  calls[20].claims = 3;
  for (const auto& call : calls) {
    append_finish(client(), call);
  }
  for (int i = 0; i < 50; ++i) {
    const auto reply = redis::read_finish(client());
    ASSERT_TRUE(reply);
    EXPECT_EQ(*reply, i == 20 ? redis::FinishReply::kMismatch : redis::FinishReply::kFinished);
  }
  EXPECT_EQ(held(8), "49");
  EXPECT_EQ(stock(), "1");
  EXPECT_EQ(field("inflight"), "2");
}

}  // namespace flashclaim
