// A service loses its data in the middle of a sale, and the one command that brings the sale back.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/amqp/topology.h"
#include "engine/redis/library.h"
#include "tests/drills/drill.h"

namespace flashclaim {
namespace {

class DataLoss : public Drill {
 protected:
  /// After end(): the acknowledged claims that no outcome tells of are among `left`; of those that no mirror was ever
  /// given, all are. Returns how many are lost.
  std::int64_t expect_lost_only(const Unmirrored& left, std::int64_t coupon) {
    const auto everything = [](const ClaimId&) { return true; };
    const auto lost = missing_from(decided(coupon), everything);
    EXPECT_EQ(checked_.lost, static_cast<std::int64_t>(lost.size()));
    for (const ClaimId& claim : lost) EXPECT_TRUE(left.contains(claim.entry)) << claim.text() << " was mirrored";
    const auto unread = [&](const ClaimId& claim) { return left.unread.contains(claim.entry); };
    EXPECT_EQ(missing_from(lost, unread).size(), 0U) << "a claim was settled that nobody can have known";
    return static_cast<std::int64_t>(lost.size());
  }
  bool says_not_ready(std::int64_t coupon) {
    return wait_until([&] { return claim(coupon, 5'000'000).body.find("\"NOT_READY\"") != std::string::npos; }) &&
           wait_until([&] { return harness::raw_request(admin_port_, "GET", "/readyz").status == 503; });
  }
};

TEST_F(DataLoss, OfRedisInMidSaleIsMendedByOneCommand) {
  const auto mirror = engine({"--role=mirror"});
  engine_ = engine({"--role=http"});
  consumer_ = consumer();
  const auto coupon = open_coupon(1'000'000, 2);
  auto clients = crowd(coupon);
  ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > 300; }));
  mirror->signal(SIGSTOP);
  ASSERT_TRUE(goes_on(clients));
  redis_server().kill();
  const auto left = unmirrored_at_death(redis_server(), coupon);
  destroy(redis_server());
  redis_server().start();
  mirror->signal(SIGCONT);

  EXPECT_TRUE(says_not_ready(coupon)) << "an empty Redis must not be taken for a sold-out sale or an unknown coupon";
  operate({"rebuild", "--yes"});
  EXPECT_TRUE(goes_on(clients, 300)) << "the sale goes on";
  end(clients, true);
  EXPECT_GT(expect_lost_only(left, coupon), 100);
  EXPECT_EQ(checked_.refused, 0);
  EXPECT_GT(checked_.settled, 600);
}

// What RabbitMQ holds settles before the rebuild raises the epoch: after that it would be refused.
TEST_F(DataLoss, OfRedisLosesNothingThatWasMirrored) {
  start_programs();
  const auto coupon = open_coupon(1'000'000, 2);
  auto clients = crowd(coupon);
  ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > 200; }));
  consumer_->signal(SIGSTOP);
  ASSERT_TRUE(goes_on(clients));
  leave(clients);
  ASSERT_TRUE(wait_until([&] { return unmirrored(redis(), coupon).empty(); }));
  const auto rows = counts(coupon).rows;
  redis_server().kill();
  destroy(redis_server());
  redis_server().start();

  auto later = crowd(coupon, 300, 2);
  EXPECT_TRUE(says_not_ready(coupon));
  harness::Process rebuild("flashctl", {"rebuild", "--yes"}, environment_);
  EXPECT_TRUE(wait_until([&] { return redis::loaded_library(redis()).value().has_value(); }));
  consumer_->signal(SIGCONT);
  EXPECT_EQ(rebuild.wait(), 0) << rebuild.output();
  EXPECT_TRUE(goes_on(later, 300));
  EXPECT_LT(rows + 100, static_cast<std::int64_t>(said_.acknowledged.size())) << "the queue held some";
  end(later);
  EXPECT_EQ(checked_.refused, 0);
}

// Whether the reconciler sees that the database is ahead before new claims hide it, decides how it heals: by a rebuild,
// or, since every restart of Redis makes its coupons suspect, by an exact reconcile. What had its outcome and lost only
// the note of it comes again after a minute, or at once by rebuild and by replay.
TEST_F(DataLoss, OfTheLastWritesOfRedisIsSeenAndMended) {
  start_programs();
  const auto coupon = open_coupon(1'000'000, 2);
  const std::string file = redis_server().append_only_file();
  const auto opened = std::filesystem::file_size(file);  // the cut goes into this sale, not into what was before it
  auto clients = crowd(coupon);
  ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > 500; }));
  redis_server().kill();
  const auto left = unmirrored_at_death(redis_server(), coupon);
  std::filesystem::resize_file(file, opened + (std::filesystem::file_size(file) - opened) * 3 / 4);
  redis_server().start();

  const auto accepted = clients.accepted();
  EXPECT_TRUE(wait_until([&] {
    const bool frozen = redis_text({"HGET", redis::CouponKeys(coupon).coupon, "status"}) == "loading";
    if (frozen) operate({"rebuild", std::to_string(coupon), "--drain", "30", "--yes"});
    return clients.accepted() > accepted + 300;
  })) << "the sale goes on";
  operate({"mirror", "replay", "--yes"});
  end(clients, true);
  expect_lost_only(left, coupon);
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
  destroy(rabbit);
  rabbit.start();
  const auto rows = counts(coupon).rows;
  EXPECT_TRUE(wait_until([&] { return counts(coupon).rows > rows + 200; })) << "mirror and consumer come back alone";
  operate({"mirror", "replay", "--yes"});
  end(clients);
}

TEST_F(DataLoss, OfTheQueueUnderWayIsMendedByTwoCommands) {
  start_programs();
  const auto coupon = open_coupon(1'000'000, 2);
  auto clients = crowd(coupon);
  ASSERT_TRUE(wait_until([&] { return counts(coupon).rows > 200; }));
  ASSERT_TRUE(amqp().delete_queue(amqp::kQueue));
  const auto rows = counts(coupon).rows;
  operate({"mq", "declare", "--yes"});
  EXPECT_TRUE(wait_until([&] { return counts(coupon).rows > rows + 200; })) << "mirror and consumer come back alone";
  operate({"mirror", "replay", "--yes"});
  end(clients);
}

}  // namespace
}  // namespace flashclaim
