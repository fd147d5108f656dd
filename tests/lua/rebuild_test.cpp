// rebuild: freeze, drain, begin, clear and load, open; and what another rebuild or a late message may not do.
#include "tests/lua/fixture.h"

namespace flashclaim {

class Rebuild : public LuaTest {
 protected:
  std::string freeze() { return call("rebuild_freeze", {keys.coupon, keys.claims}, {}); }
  std::string begin(int epoch) {
    return call("rebuild_begin", {keys.coupon, keys.stock, keys.claims, keys.dead}, {std::to_string(epoch)});
  }
  std::string load_stock(int epoch, int units) {
    return call("rebuild_load_stock", {keys.coupon, keys.stock}, {std::to_string(epoch), std::to_string(units)});
  }
  std::string open(redis::CouponSettings wanted, int epoch) {
    wanted.epoch = epoch;
    wanted.version = 9;
    const auto reply = redis::rebuild_open(client(), wanted);
    return reply ? std::string(word(*reply)) : reply.error().message;
  }
};

TEST_F(Rebuild, GoesFromNothingToOpen) {
  EXPECT_EQ(freeze(), "FROZEN 0");
  EXPECT_EQ(begin(2), "BEGUN");
  EXPECT_EQ(load_stock(2, 6), "LOADED");
  EXPECT_EQ(call("rebuild_load_users", {keys.coupon}, {"2", "7", "1", "8", "2"}), "LOADED");
  EXPECT_EQ(claim({"9"}), "NOT_READY");
  EXPECT_EQ(open(settings(10, 2), 2), "OPEN");
  EXPECT_EQ(command({"SMEMBERS", issuing}), "42");
  EXPECT_EQ(claim({"7", "8", "7"}), "ACCEPTED LIMIT_REACHED LIMIT_REACHED");
  EXPECT_EQ(stock(), "5");
  EXPECT_EQ(field("epoch"), "2");
  EXPECT_EQ(field("version"), "9");
  EXPECT_EQ(command({"XINFO", "GROUPS", keys.claims}).substr(0, 11), "name|mirror");
  EXPECT_EQ(finish(last_entry(), 1, {}, true, 2), "FINISHED");
}

TEST_F(Rebuild, ReplacesStaleStockCountsAndMarks) {
  publish(10, 2);
  const auto entry = accept({"7", "8"});
  ASSERT_EQ(call("mark_dead", {keys.claims, keys.dead}, {entry.text()}), "MARKED");
  ASSERT_EQ(call("mark_suspect", {keys.coupon}, {}), "MARKED");
  EXPECT_EQ(freeze(), "FROZEN 1");
  EXPECT_EQ(begin(2), "NOT_DRAINED");
  ASSERT_EQ(finish(entry, 2), "FINISHED");
  command({"SADD", keys.dead, "1-1"});
  EXPECT_EQ(begin(2), "BEGUN");
  EXPECT_EQ(stock(), "(nil)");
  EXPECT_EQ(command({"EXISTS", keys.dead}), "0");
  EXPECT_EQ(field("inflight"), "0");
  EXPECT_EQ(field("suspect"), "(nil)");
  EXPECT_EQ(field("fixSeq"), "1");
  EXPECT_EQ(call("rebuild_clear_users", {keys.coupon, keys.user(7), keys.user(8)}, {"2"}), "CLEARED");
  EXPECT_EQ(held(7), "(nil)");
  EXPECT_EQ(open(settings(10, 2), 2), "NOT_READY") << "no stock was loaded";
  EXPECT_EQ(load_stock(2, 10), "LOADED");
  EXPECT_EQ(open(settings(10, 2), 2), "OPEN");
}

TEST_F(Rebuild, KeepsTheHighestIdOfTheStream) {
  publish(10, 2);
  const auto entry = accept({"7"});
  ASSERT_EQ(finish(entry, 1), "FINISHED");
  freeze();
  ASSERT_EQ(begin(2), "BEGUN");
  ASSERT_EQ(load_stock(2, 9), "LOADED");
  ASSERT_EQ(open(settings(10, 2), 2), "OPEN");
  EXPECT_LT(entry, accept({"8"}));
}

TEST_F(Rebuild, IsFencedByItsEpoch) {
  publish(10, 2);
  EXPECT_EQ(begin(2), "NOT_LOADING");
  EXPECT_EQ(load_stock(1, 5), "REFUSED") << "not loading";
  EXPECT_EQ(open(settings(10, 2), 1), "REFUSED");
  freeze();
  EXPECT_EQ(begin(1), "EPOCH");
  EXPECT_EQ(begin(3), "BEGUN");
  const auto before = picture();
  EXPECT_EQ(begin(2), "EPOCH") << "a rebuild that started earlier";
  EXPECT_EQ(begin(3), "EPOCH");
  EXPECT_EQ(load_stock(2, 5), "REFUSED");
  EXPECT_EQ(call("rebuild_load_users", {keys.coupon}, {"2", "7", "1"}), "REFUSED");
  EXPECT_EQ(call("rebuild_clear_users", {keys.coupon, keys.user(7)}, {"2"}), "REFUSED");
  EXPECT_EQ(open(settings(10, 2), 2), "REFUSED");
  EXPECT_EQ(picture(), before);
}

TEST_F(Rebuild, ClearsOnlyCountsOfItsOwnCoupon) {
  publish(10, 2);
  freeze();
  ASSERT_EQ(begin(2), "BEGUN");
  const redis::CouponKeys other(43);
  command({"SET", other.user(7), "1"});
  const auto before = picture();
  EXPECT_EQ(error_code(call("rebuild_clear_users", {keys.coupon, other.user(7)}, {"2"})), "ARGUMENT");
  EXPECT_EQ(error_code(call("rebuild_clear_users", {keys.coupon, keys.user(7), keys.stock}, {"2"})), "ARGUMENT");
  EXPECT_EQ(picture(), before);
}

TEST_F(Rebuild, OpensAnEndedCouponWithoutPuttingItWhereItIsRead) {
  freeze();
  ASSERT_EQ(begin(2), "BEGUN");
  ASSERT_EQ(load_stock(2, 3), "LOADED");
  auto over = settings(10, 2);
  over.status = "ended";
  EXPECT_EQ(open(over, 2), "OPEN");
  EXPECT_EQ(command({"EXISTS", issuing}), "0");
}

TEST_F(Rebuild, TypedCallsSpeakTheSameWords) {
  auto frozen = redis::rebuild_freeze(client(), kCoupon);
  ASSERT_TRUE(frozen);
  EXPECT_EQ(*frozen, 0);
  EXPECT_EQ(*redis::rebuild_begin(client(), kCoupon, 5), redis::BeginReply::kBegun);
  const std::string user_keys[] = {keys.user(7)};
  EXPECT_TRUE(*redis::rebuild_clear_users(client(), kCoupon, 5, user_keys));
  EXPECT_FALSE(*redis::rebuild_clear_users(client(), kCoupon, 4, user_keys));
  EXPECT_TRUE(*redis::rebuild_load_stock(client(), kCoupon, 5, 1));
  EXPECT_FALSE(*redis::rebuild_load_stock(client(), kCoupon, 4, 1));
  const redis::UserCount counts[] = {{7, 1}};
  EXPECT_TRUE(*redis::rebuild_load_users(client(), kCoupon, 5, counts));
  EXPECT_FALSE(*redis::rebuild_load_users(client(), kCoupon, 4, counts));
  auto coupon = settings(2, 2);
  coupon.epoch = 5;
  EXPECT_EQ(*redis::rebuild_open(client(), coupon), redis::OpenReply::kOpen);
}

}  // namespace flashclaim
