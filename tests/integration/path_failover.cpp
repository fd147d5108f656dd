// Redis behind an address that moves: the old primary lives on as a replica, and nobody stays with it.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "engine/base/assets.h"
#include "engine/operations/rebuild.h"
#include "engine/redis/functions.h"
#include "engine/redis/library.h"
#include "tests/harness/crowd.h"
#include "tests/harness/gate.h"
#include "tests/harness/logins.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

class FailoverPath : public WholePath {
 protected:
  void SetUp() override {
    WholePath::SetUp();
    address_ = std::make_unique<harness::Gate>(one_.port());
    use("REDIS_URL", address_->through(one_.url()));
    ASSERT_TRUE(redis::load_library(admin_redis(), kLuaLibrary));
    ASSERT_TRUE(operations::mark_ready_if_new(admin_redis(), admin_pg()));
    for (const auto* server : {&one_, &two_}) {
      auto client = to(*server);
      ASSERT_TRUE(redis::ok(
          client.command({"CONFIG", "SET", "masteruser", harness::kTester, "masterauth", harness::tester_password()})));
    }
    follow(two_, one_);
  }

  static redis::Client to(const harness::PrivateRedis& server) {
    return redis::Client::connect(server.url(), std::chrono::seconds(60), redis::Server::kAny).value();
  }
  static std::string role(const harness::PrivateRedis& server) {
    return std::string(to(server).command({"ROLE"}).value()[0].text());
  }
  static void follow(const harness::PrivateRedis& replica, const harness::PrivateRedis& primary) {
    auto client = to(replica);
    ASSERT_TRUE(redis::ok(client.command({"REPLICAOF", "127.0.0.1", std::to_string(primary.port())})));
    ASSERT_TRUE(wait_until([&] { return client.command({"ROLE"}).value()[3].text() == "connected"; }));
  }
  /// Nothing that was accepted is missing on the new primary: Redis holds writes back until it has all of them.
  static void fail_over(const harness::PrivateRedis& from, const harness::PrivateRedis& to_server) {
    ASSERT_TRUE(wait_until([&] {
      return redis::ok(to(from).command({"FAILOVER", "TO", "127.0.0.1", std::to_string(to_server.port())})).has_value();
    }));
    ASSERT_TRUE(wait_until([&] { return role(from) == "slave" && role(to_server) == "master"; }));
  }
  /// The programs' new connections, and the test's own.
  void move_address_to(const harness::PrivateRedis& server) {
    address_->lead_to(server.port());
    use("REDIS_URL", environment_.at("REDIS_URL"));
  }

  static bool ready(int admin_port) { return harness::raw_request(admin_port, "GET", "/readyz").status == 200; }
  static bool names(int admin_port, const std::string& reason) {
    const auto answer = harness::raw_request(admin_port, "GET", "/readyz");
    return answer.status == 503 && answer.body.find(reason) != std::string::npos;
  }
  static std::int64_t lines(harness::Process& program, const std::string& text) {
    std::istringstream log(program.output());
    std::int64_t found = 0;
    for (std::string line; std::getline(log, line);) found += line.find(text) != std::string::npos ? 1 : 0;
    return found;
  }

  harness::PrivateRedis one_;
  harness::PrivateRedis two_;
  std::unique_ptr<harness::Gate> address_;
};

// Both ways, with a crowd that goes on: claims, settlements and repairs all go to the new primary by themselves.
TEST_F(FailoverPath, IsFollowedByEveryProgramBothWays) {
  start_programs();
  const auto coupon = open_coupon(1'000'000, 1'000'000);
  harness::CrowdOptions wanted;
  wanted.ports = {http_port_};
  wanted.coupons = {coupon};
  wanted.per_second = 200;
  harness::Crowd crowd(wanted);
  const harness::PrivateRedis* from = &one_;
  const harness::PrivateRedis* next = &two_;
  for (int move = 1; move <= 2; ++move, std::swap(from, next)) {
    SCOPED_TRACE(move);
    const auto before = crowd.accepted();
    ASSERT_TRUE(wait_until([&] { return crowd.accepted() > before + 200; }));
    fail_over(*from, *next);
    // The address still leads to the old one: nothing is well, and both programs say why.
    EXPECT_TRUE(wait_until([&] { return names(admin_port_, "it is a replica of 127.0.0.1"); }));
    EXPECT_TRUE(wait_until([&] { return names(consumer_admin_port_, "it is a replica of 127.0.0.1"); }));
    move_address_to(*next);
    EXPECT_TRUE(wait_until([&] { return ready(admin_port_) && ready(consumer_admin_port_); }));
    const auto moved = crowd.accepted();
    const auto settled = counts(coupon).rows;
    EXPECT_TRUE(wait_until([&] { return crowd.accepted() > moved + 200; }));
    EXPECT_TRUE(wait_until([&] { return counts(coupon).rows > settled + 200; }));
    // The mirror found another history and marked the coupon; the reconciler looked into it on the new primary.
    EXPECT_TRUE(wait_until([&] { return lines(*consumer_, "event=reconciled") >= move; }));
    EXPECT_TRUE(wait_until([&] { return redis_number({"HGET", redis::CouponKeys(coupon).coupon, "suspect"}) == 0; }));
  }
  const auto report = crowd.finish();
  EXPECT_EQ(report.unlearnt, 0);
  EXPECT_EQ(report.tally.unexpected, 0) << report.tally.unexpected_example;
  told_.acknowledged = report.acknowledged;
  told_.told = report.told;
  await_rest();
  EXPECT_EQ(expect_invariants(told_).settled, static_cast<std::int64_t>(report.acknowledged.size()));
  // A few for each link and move (two threads, the probe, the mirror; workers, finishers and the reconciler), on a busy
  // machine too; never one for each claim or attempt.
  constexpr int kLinesMax = 2 * 4 * 8;
  EXPECT_LE(lines(*engine_, "event=lost") + lines(*engine_, "event=redis_lost"), kLinesMax) << engine_->output();
  EXPECT_LE(lines(*consumer_, "level=warn"), kLinesMax) << consumer_->output();
}

// Nobody claims and nothing is read: who is idle is asked whom it follows, too.
TEST_F(FailoverPath, IsNoticedByIdlePrograms) {
  use("REDIS_URL", environment_.at("REDIS_URL"));  // the programs would inherit the test's own connection
  start_programs();
  const auto coupon = open_coupon(10, 1);
  EXPECT_TRUE(wait_until([&] { return ready(admin_port_) && ready(consumer_admin_port_); }));
  fail_over(one_, two_);
  move_address_to(two_);
  const auto sessions = [&] {
    auto client = to(one_);
    const std::string list(client.command({"CLIENT", "LIST", "TYPE", "normal"}).value().text());
    return std::count(list.begin(), list.end(), '\n') - 1;  // but for this one
  };
  EXPECT_TRUE(wait_until([&] { return sessions() == 0; })) << sessions();
  EXPECT_TRUE(wait_until([&] { return ready(admin_port_) && ready(consumer_admin_port_); }));
  accept(coupon, 1, 3);
  await_rest();
  EXPECT_EQ(expect_invariants(told_).settled, 3);
}

// A primary that takes no writes for another reason: the connection is right, and /readyz says what is not.
TEST_F(FailoverPath, IsNotNeededToSeeThatWritesAreRefused) {
  start_programs();
  const auto coupon = open_coupon(10, 1);
  accept(coupon, 1, 1);
  auto primary = to(one_);
  ASSERT_TRUE(redis::ok(primary.command({"CONFIG", "SET", "min-replicas-to-write", "2"})));
  EXPECT_TRUE(wait_until([&] { return names(admin_port_, "redis takes no writes: NOREPLICAS"); }));
  EXPECT_TRUE(wait_until([&] { return names(consumer_admin_port_, "redis takes no writes: NOREPLICAS"); }));
  EXPECT_EQ(claim(coupon, 2).status, 503);
  EXPECT_TRUE(wait_until([&] { return get("/coupons/" + std::to_string(coupon)).status == 200; }));
  ASSERT_TRUE(redis::ok(primary.command({"CONFIG", "SET", "min-replicas-to-write", "0"})));
  EXPECT_TRUE(wait_until([&] { return ready(admin_port_) && ready(consumer_admin_port_); }));
  accept(coupon, 3, 4);
  await_rest();
  EXPECT_EQ(expect_invariants(told_).settled, 3);
}

}  // namespace
}  // namespace flashclaim
