// A service that has no room left: what goes on, what is answered, and that it heals when there is room again.
#include "engine/base/assets.h"
#include "engine/operations/rebuild.h"
#include "engine/redis/library.h"
#include "tests/drills/drill.h"

namespace flashclaim {
namespace {

class NoRoom : public Drill {
 protected:
  /// An empty Redis becomes that of the test.
  void take(harness::PrivateRedis& redis_of_its_own) {
    use("REDIS_URL", redis_of_its_own.url());
    ASSERT_TRUE(redis::load_library(admin_redis(), kLuaLibrary));
    ASSERT_TRUE(operations::mark_ready_if_new(admin_redis(), admin_pg()));
  }
};

TEST_F(NoRoom, InTheMemoryOfRedisRefusesClaimsAndStillSettlesThem) {
  harness::PrivateRedis small("--maxmemory 8mb");
  take(small);
  engine_ = engine();
  const auto coupon = open_coupon(1'000'000, 1);
  auto clients = crowd(coupon, 2'000);
  const auto refused = [&] {
    const auto answer = claim(coupon, 5'000'000);
    return answer.status == 503 && answer.body.find("\"SOLD_OUT\"") == std::string::npos;
  };
  ASSERT_TRUE(wait_until(refused)) << "at maxmemory a claim is refused for a while, and never as sold out";
  consumer_ = consumer();
  EXPECT_TRUE(wait_until([&] { return counts(coupon).rows > 100; })) << "finish works at maxmemory";
  redis_text({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(goes_on(clients));
  end(clients);
}

TEST_F(NoRoom, OnTheDiskOfRedisAcceptsNothingThatItCannotKeep) {
  harness::PrivateRedis small;
  small.stop();
  const SmallDisk disk(small.folder(), 64);
  if (!disk.mounted()) return;
  small.start();
  take(small);
  start_programs();
  const auto coupon = open_coupon(1'000'000, 1);
  auto clients = crowd(coupon);
  ASSERT_TRUE(goes_on(clients));
  disk.fill();
  EXPECT_TRUE(wait_until([&] { return claim(coupon, 5'000'000).status == 503; }));
  disk.free();
  small.start();  // it ends itself rather than go on without its disk
  EXPECT_TRUE(goes_on(clients));
  end(clients);
  small.stop();
}

TEST_F(NoRoom, OnTheDiskOfRabbitHoldsTheStreamAndCatchesUp) {
  harness::PrivateRabbit small;
  small.stop();
  const SmallDisk disk(small.folder(), 700);
  if (!disk.mounted()) return;
  small.start();
  use("AMQP_URL", small.url());
  operate({"mq", "declare"});
  start_programs();
  const auto coupon = open_coupon(1'000'000, 1);
  auto clients = crowd(coupon);
  ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > 200; }));
  disk.fill();
  const auto keys = redis::CouponKeys(coupon);
  EXPECT_TRUE(wait_until([&] { return redis_number({"XLEN", keys.claims}) > 500; })) << "claims are accepted meanwhile";
  disk.free();
  small.kill();  // RabbitMQ 3.10 goes on refusing publishes until it is restarted
  small.start();
  EXPECT_TRUE(wait_until([&] { return redis_number({"XLEN", keys.claims}) < 300; })) << "it catches up";
  end(clients);
  small.stop();
}

TEST_F(NoRoom, OnTheDiskOfPostgresHoldsTheClaimsAndCatchesUp) {
  harness::PrivatePostgres small;
  small.stop();
  const SmallDisk disk(small.folder(), 500);
  if (!disk.mounted()) return;
  small.start();
  use("PG_URL", small.migrated_database());
  start_programs();
  const auto coupon = open_coupon(1'000'000, 1);
  auto clients = crowd(coupon, 1'000);
  ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > 200; }));
  disk.fill();
  const auto keys = redis::CouponKeys(coupon);
  EXPECT_TRUE(wait_until([&] { return redis_number({"XLEN", keys.claims}) > 500; })) << "claims are accepted meanwhile";
  disk.free();
  small.start();  // a full disk may have ended it
  end(clients);
  EXPECT_EQ(checked_.settled, static_cast<std::int64_t>(said_.acknowledged.size()));
  EXPECT_TRUE(redis_number({"SCARD", keys.dead}) == 0) << "a full disk is nobody's fault but the disk's";
  small.stop();
}

}  // namespace
}  // namespace flashclaim
