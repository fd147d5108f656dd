// A service loses its data in the middle of a sale, and the one command that brings the sale back.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/amqp/topology.h"
#include "tests/drills/drill.h"

namespace flashclaim {
namespace {

class DataLoss : public Drill {
 protected:
  static void empty(const std::string& folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) std::filesystem::remove_all(entry.path());
  }
};

TEST_F(DataLoss, OfRedisInMidSaleIsMendedByOneCommand) {
  start_programs();
  const auto coupon = open_coupon(1'000'000, 2);
  auto clients = crowd(coupon);
  ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > 300; }));
  redis_server().kill();
  empty(redis_server().folder());
  redis_server().start();

  const auto not_ready = [&] { return claim(coupon, 5'000'000).body.find("\"NOT_READY\"") != std::string::npos; };
  EXPECT_TRUE(wait_until(not_ready)) << "an empty Redis must not be taken for a sold-out sale or an unknown coupon";
  EXPECT_TRUE(wait_until([&] { return harness::raw_request(admin_port_, "GET", "/readyz").status == 503; }));
  const auto accepted = clients.accepted();
  operate({"rebuild", "--yes"});
  EXPECT_TRUE(wait_until([&] { return clients.accepted() > accepted + 300; })) << "the sale goes on";
  end(clients, true);
  EXPECT_EQ(checked_.settled + checked_.lost, static_cast<std::int64_t>(said_.acknowledged.size()));
  EXPECT_GT(checked_.settled, 600);
}

// Whether the mender sees that the database is ahead before new claims hide it, decides how it heals: by a rebuild, or,
// since every restart of Redis makes its coupons suspect, by an exact reconcile.
TEST_F(DataLoss, OfTheLastWritesOfRedisIsSeenAndMended) {
  start_programs();
  const auto coupon = open_coupon(1'000'000, 2);
  auto clients = crowd(coupon);
  ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > 500; }));
  redis_server().kill();
  const std::string file = redis_server().append_only_file();
  std::filesystem::resize_file(file, std::filesystem::file_size(file) * 3 / 4);
  redis_server().start();

  const auto accepted = clients.accepted();
  EXPECT_TRUE(wait_until([&] {
    const bool frozen = redis_text({"HGET", redis::CouponKeys(coupon).coupon, "status"}) == "loading";
    if (frozen) operate({"rebuild", std::to_string(coupon), "--yes"});
    return clients.accepted() > accepted + 300;
  })) << "the sale goes on";
  end(clients, true);
}

TEST_F(DataLoss, ATornTailOfTheAppendOnlyFileLosesNothing) {
  start_programs();
  const auto coupon = open_coupon(1'000'000, 2);
  auto clients = crowd(coupon);
  ASSERT_TRUE(wait_until([&] { return clients.accepted() > 200; }));
  for (int times = 0; times < 2; ++times) {  // what is left of the first write must not come back at the second start
    redis_server().kill();
    redis_server().tear_claim(coupon, 5'000'000 + times);
    redis_server().start();
    const auto accepted = clients.accepted();
    EXPECT_TRUE(wait_until([&] { return clients.accepted() > accepted + 200; }));
  }
  end(clients);
  EXPECT_EQ(redis_text({"GET", redis::CouponKeys(coupon).user(5'000'000)}), "");
}

// What the loss of a claim's writes leaves when its message had left already: the unit looks free in Redis.
TEST_F(DataLoss, APhantomUnitIsTakenAwayWithoutAnybody) {
  engine_ = engine();
  const auto coupon = open_coupon(10, 1);
  const redis::CouponKeys keys(coupon);
  ASSERT_EQ(claim(coupon, 7).status, 202);
  ASSERT_TRUE(wait_until([&] { return amqp().queue_depth(amqp::kQueue).value() == 1; }));
  const auto entries = redis().command({"XRANGE", keys.claims, "-", "+"});
  redis_number({"XDEL", keys.claims, std::string((*entries)[0][0].text())});
  redis_number({"INCR", keys.stock});
  redis_number({"HINCRBY", keys.coupon, "inflight", "-1"});
  redis_number({"DEL", keys.user(7)});
  consumer_ = consumer();
  EXPECT_TRUE(wait_until([&] { return counts(coupon).rows == 1 && redis_number({"GET", keys.stock}) == 9; }));
  EXPECT_TRUE(wait_until([&] { return redis_number({"GET", keys.user(7)}) == 1; }));
  await_rest();
  EXPECT_NE(claim(coupon, 7).body.find("LIMIT_REACHED"), std::string::npos);
  expect_invariants();
}

TEST_F(DataLoss, OfRabbitIsMendedByOneCommand) {
  harness::PrivateRabbit rabbit;
  use("AMQP_URL", rabbit.url());
  start_programs();
  const auto coupon = open_coupon(1'000'000, 2);
  auto clients = crowd(coupon);
  ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > 200; }));
  rabbit.kill();
  empty(rabbit.folder());
  rabbit.start();
  const auto rows = counts(coupon).rows;
  EXPECT_TRUE(wait_until([&] { return counts(coupon).rows > rows + 200; })) << "mirror and consumer come back alone";
  operate({"mirror", "replay", "--yes"});
  end(clients);
}

TEST_F(DataLoss, OfTheQueueUnderWayIsMendedByOneCommand) {
  start_programs();
  const auto coupon = open_coupon(1'000'000, 2);
  auto clients = crowd(coupon);
  ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > 200; }));
  ASSERT_TRUE(amqp().delete_queue(amqp::kQueue));
  const auto rows = counts(coupon).rows;
  EXPECT_TRUE(wait_until([&] { return counts(coupon).rows > rows + 200; })) << "the queue is declared again";
  operate({"mirror", "replay", "--yes"});
  end(clients);
}

}  // namespace
}  // namespace flashclaim
