// The programs, each as its own users, over the whole path; the checker, as the admin, judges. That nobody is denied
// anything is what the witness of the harness holds.
#include <gtest/gtest.h>

#include "engine/amqp/topology.h"
#include "engine/operations/reconcile.h"
#include "engine/redis/functions.h"
#include "tests/access/world.h"
#include "tests/harness/folder.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/wait.h"
#include "tests/harness/whole_path.h"

namespace flashclaim::access {
namespace {

using harness::wait_until;

class UsersPath : public ::testing::Test {
 protected:
  void SetUp() override {
    http_ = harness::free_ports(2);
    engine_ = std::make_unique<harness::Process>(
        "flashclaim-engine",
        std::vector<std::string>{"--listen=127.0.0.1:" + std::to_string(http_), "--threads=1", "--republish-after=1",
                                 "--admin-listen=127.0.0.1:" + std::to_string(http_ + 1)},
        world_.environment());
    await_ready(http_ + 1);
  }
  void TearDown() override {
    if (HasFailure()) std::printf("--- engine:\n%s\n", engine_->output().substr(0, 10000).c_str());
    if (HasFailure() && consumer_) std::printf("--- consumer:\n%s\n", consumer_->output().substr(0, 10000).c_str());
  }
  void start_consumer() {
    const int port = harness::free_ports(1);
    consumer_ = std::make_unique<harness::Process>(
        "flashclaim-consumer",
        std::vector<std::string>{"--workers=1", "--admin-listen=127.0.0.1:" + std::to_string(port)},
        world_.environment());
    await_ready(port);
  }
  static void await_ready(int port) {
    ASSERT_TRUE(wait_until([&] {
      try {
        return harness::raw_request(port, "GET", "/readyz").status == 200;
      } catch (const std::runtime_error&) {
        return false;
      }
    }));
  }
  void open_coupon(const std::string& id, const std::string& total) {
    world_.flashctl({"coupon", "create", "--id", id, "--name", "x", "--total", total, "--user-limit", "1", "--begin",
                     "now", "--end", "+1h", "--yes"});
    world_.flashctl({"coupon", "publish", id, "--yes"});
  }
  int claim(const std::string& coupon, int user, const std::string& key = "") const {
    return harness::raw_request(
               http_, "POST", "/coupons/" + coupon + "/receive",
               "X-User-Id: " + std::to_string(user) + "\r\n" + (key.empty() ? "" : "Idempotency-Key: " + key + "\r\n"))
        .status;
  }
  /// The status and the body of a GET as user 1.
  std::string get(const std::string& target) const {
    const auto answer = harness::raw_request(http_, "GET", target, "X-User-Id: 1\r\n");
    return std::to_string(answer.status) + ' ' + answer.body;
  }
  void await_empty_stream(std::int64_t coupon) {
    auto tester = world_.redis_superuser();
    ASSERT_TRUE(wait_until([&] { return tester.command({"XLEN", redis::CouponKeys(coupon).claims})->integer() == 0; }));
  }

  World& world_ = World::get();
  int http_ = 0;
  std::unique_ptr<harness::Process> engine_;
  std::unique_ptr<harness::Process> consumer_;
};

// What the page asks, one after the other.
TEST_F(UsersPath, FollowsAClaimThroughHttpToItsEnd) {
  open_coupon("40", "3");
  const auto accepted = harness::raw_request(http_, "POST", "/coupons/40/receive", "X-User-Id: 1\r\n");
  ASSERT_EQ(accepted.status, 202);
  const std::string claim = "/claims/" + json_field(accepted.body, "claimId");
  EXPECT_NE(get(claim).find(R"("status":"pending")"), std::string::npos) << get(claim);
  start_consumer();
  const std::string told = get(claim + "?wait=30s");
  EXPECT_NE(told.find(R"("status":"settled")"), std::string::npos) << told;
  EXPECT_TRUE(get("/coupons/40").starts_with("200 ")) << get("/coupons/40");
  EXPECT_TRUE(get("/coupons").starts_with("200 ")) << get("/coupons");
  EXPECT_NE(get("/users/me/coupons").find(R"("couponId":"40")"), std::string::npos) << get("/users/me/coupons");
  EXPECT_TRUE(get("/claims/40-1-1795380024805-0-0").starts_with("404 "));  // asked about at PostgreSQL
  await_empty_stream(40);
}

TEST_F(UsersPath, SettlesRefusesRepairsRebuildsAndPurges) {
  open_coupon("41", "3");
  EXPECT_EQ(claim("41", 1, "key-1"), 202);
  EXPECT_EQ(claim("41", 1, "key-1"), 202);
  EXPECT_EQ(claim("41", 2), 202);
  EXPECT_EQ(claim("41", 2), 409);
  // The broker loses them. The mirror sees the queue empty, waits a second, and publishes them again.
  const auto broker = world_.amqp("admin");
  ASSERT_TRUE(wait_until([&] { return broker->purge_queue(amqp::kQueue).value() > 0; }));
  start_consumer();
  ASSERT_TRUE(wait_until([&] {
    const std::string metrics = harness::raw_request(http_ + 1, "GET", "/metrics").body;
    return std::stoi(metrics.substr(metrics.find("\nflashclaim_mirror_republished_total ") + 37)) > 0;
  }));
  await_empty_stream(41);
  // Redis is made to believe in a unit and a claim of user 2 that are not there: PostgreSQL refuses, the reconciler
  // mends.
  auto tester = world_.redis_superuser();
  ASSERT_TRUE(tester.command({"DEL", redis::CouponKeys(41).user(2)}));
  EXPECT_EQ(claim("41", 2), 202);
  await_empty_stream(41);
  ASSERT_TRUE(wait_until([&] {
    return tester.command({"HEXISTS", redis::CouponKeys(41).coupon, "suspect"})->integer() == 0 &&
           tester.command({"GET", redis::CouponKeys(41).user(2)})->text() == "1";
  }));
  world_.flashctl({"check", "41"});
  world_.flashctl({"reconcile", "41"});
  world_.flashctl({"coupon", "update", "41", "--total", "5", "--yes"});
  world_.flashctl({"coupon", "pause", "41", "--yes"});
  world_.flashctl({"coupon", "resume", "41", "--yes"});
  world_.flashctl({"rebuild", "41", "--yes"});
  world_.flashctl({"check", "41"});
  EXPECT_EQ(claim("41", 3), 202);
  await_empty_stream(41);
  world_.flashctl({"coupon", "end", "41", "--yes"});
  ASSERT_TRUE(wait_until([&] {
    return tester.command({"SISMEMBER", "coupon:issuing", "41"})->integer() == 0;
  })) << "the mirror did not retire it";
  world_.flashctl({"coupon", "purge", "41", "--yes"});
  world_.flashctl({"status"});
  world_.flashctl({"lua", "load", "--yes"});
}

// What the consumer does only in trouble, by itself.
TEST_F(UsersPath, MayMarkTheDeadReconcileAndFreeze) {
  open_coupon("42", "3");
  auto tester = world_.redis_superuser();
  EXPECT_EQ(claim("42", 1), 202);
  auto consumer = world_.redis("consumer");
  const auto entries = tester.command({"XRANGE", redis::CouponKeys(42).claims, "-", "+"});
  const auto entry = parse_entry_id((*entries)[0][0].text());
  ASSERT_TRUE(entry);
  EXPECT_TRUE(redis::mark_dead(consumer, 42, *entry).value());
  auto admin = world_.redis("admin");
  EXPECT_TRUE(redis::unmark_dead(admin, 42, *entry));
  auto pg = world_.pg("consumer");
  operations::ReconcileOptions fix;
  fix.fix = true;
  EXPECT_TRUE(operations::reconcile(consumer, *pg, 42, fix));
  start_consumer();
  await_empty_stream(42);
  world_.flashctl({"dlq", "list"});
  world_.flashctl({"check", "42"});
  EXPECT_TRUE(redis::rebuild_freeze(consumer, 42));
}

}  // namespace
}  // namespace flashclaim::access
