// Settlement events with the real programs as their own users: nothing is missing, whoever dies when.
#include <gtest/gtest.h>

#include <csignal>
#include <set>

#include "engine/amqp/topology.h"
#include "engine/postgres/events.h"
#include "engine/redis/functions.h"
#include "tests/access/world.h"
#include "tests/harness/folder.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/wait.h"

namespace flashclaim::access {
namespace {

using harness::wait_until;
constexpr std::string_view kSubscriber = "promotion.subscriber";

class SettlementEvents : public ::testing::Test {
 protected:
  void SetUp() override {
    broker_ = world_.amqp("admin");
    ASSERT_TRUE(broker_->declare_queue(kSubscriber, {}));
    ASSERT_TRUE(broker_->bind_queue(kSubscriber, amqp::kExchange, "coupon.settled"));
    ASSERT_TRUE(broker_->bind_queue(kSubscriber, amqp::kExchange, "coupon.refused"));
    ASSERT_TRUE(broker_->purge_queue(kSubscriber));
    world_.flashctl({"events", "on", "--yes"});
    harness::Environment environment = world_.environment();
    mirror_ = std::make_unique<harness::Process>(
        "flashclaim-engine",
        std::vector<std::string>{"--role=mirror", "--admin-listen=127.0.0.1:" + std::to_string(harness::free_ports(1))},
        environment);
  }
  void TearDown() override { world_.flashctl({"events", "off", "--yes"}); }

  std::unique_ptr<harness::Process> consumer(const std::string& events) {
    return std::make_unique<harness::Process>(
        "flashclaim-consumer",
        std::vector<std::string>{"--workers=1", "--claims-max=4", "--events=" + events,
                                 "--admin-listen=127.0.0.1:" + std::to_string(harness::free_ports(1))},
        world_.environment());
  }
  /// `claims` of users 1, 2 … in batches of two, as the engine makes them; their ids are accepted_.
  void claim(std::int64_t coupon, int claims) {
    const std::string id = std::to_string(coupon);
    coupons_.insert(id);
    world_.flashctl({"coupon", "create", "--id", id, "--name", "x", "--total", std::to_string(claims), "--user-limit",
                     "1", "--begin", "now", "--end", "+1h", "--yes"});
    world_.flashctl({"coupon", "publish", id, "--yes"});
    auto redis = world_.redis("engine");
    for (int user = 1; user <= claims; user += 2) {
      const redis::ClaimRequest two[] = {{user, ""}, {user + 1, ""}};
      const auto verdicts = redis::claim(redis, coupon, two);
      ASSERT_TRUE(verdicts) << verdicts.error().message;
      for (const auto& verdict : *verdicts) accepted_.insert(verdict.claim.text());
    }
  }
  /// Other tests' coupons have events too.
  void note(std::set<std::string>& kind, const std::string& claim) const {
    if (coupons_.contains(claim.substr(0, claim.find('-')))) kind.insert(claim);
  }
  /// Takes what has come; the claim ids of it by kind.
  void hear() {
    for (;;) {
      auto got = broker_->get(kSubscriber);
      ASSERT_TRUE(got) << got.error().message;
      if (!*got) return;
      const std::string& body = (*got)->body;
      auto& kind = body.find("\"type\":\"coupon.settled\"") != std::string::npos ? settled_ : refused_;
      const std::string_view mark = "\"claimId\":\"";
      for (auto at = body.find(mark); at != std::string::npos; at = body.find(mark, at + 1))
        note(kind, body.substr(at + mark.size(), body.find('"', at + mark.size()) - at - mark.size()));
      ASSERT_TRUE(broker_->ack((*got)->delivery_tag, false));
    }
  }
  bool hears(const std::set<std::string>& settled) {
    return wait_until([&] {
      hear();
      return settled_ == settled;
    });
  }
  bool all_settled(std::int64_t coupon) {
    auto tester = world_.redis_superuser();
    return wait_until([&] { return tester.command({"XLEN", redis::CouponKeys(coupon).claims})->integer() == 0; });
  }
  postgres::SettlementFeed feed() { return postgres::settlement_feed(*world_.pg("admin")).value(); }

  World& world_ = World::get();
  std::unique_ptr<amqp::Connection> broker_;
  std::unique_ptr<harness::Process> mirror_;
  std::set<std::string> coupons_;
  std::set<std::string> accepted_;
  std::set<std::string> settled_;
  std::set<std::string> refused_;
};

TEST_F(SettlementEvents, AreToldThoughTheConsumerDiesBetweenTheCommitAndThePublish) {
  claim(50, 20);
  auto first = consumer("off");  // commits, publishes nothing: as one that dies in between
  ASSERT_TRUE(all_settled(50));
  first->signal(SIGKILL);
  first->wait();
  EXPECT_GT(feed().waiting, 0);
  hear();
  EXPECT_TRUE(settled_.empty());
  auto second = consumer("on");
  EXPECT_TRUE(hears(accepted_));
  EXPECT_TRUE(refused_.empty());
  EXPECT_TRUE(wait_until([&] { return feed().waiting == 0; }));
}

TEST_F(SettlementEvents, AreAllToldThoughRelaysDieAgainAndAgain) {
  auto relay = consumer("on");
  for (int round = 0; round < 5; ++round) {
    claim(60 + round, 40);
    ASSERT_TRUE(wait_until([&] {
      hear();
      return settled_.size() > static_cast<std::size_t>(round) * 40;
    }));
    relay->signal(SIGKILL);
    relay->wait();
    relay = consumer("on");
  }
  EXPECT_TRUE(hears(accepted_)) << settled_.size() << " of " << accepted_.size();
}

TEST_F(SettlementEvents, TellRefusalsApartWithTheirReason) {
  claim(70, 2);
  auto tester = world_.redis_superuser();
  ASSERT_TRUE(tester.command({"SET", redis::CouponKeys(70).stock, "1"}));  // a unit that is not there
  auto redis = world_.redis("engine");
  const redis::ClaimRequest third{3, ""};
  const auto verdict = redis::claim(redis, 70, {&third, 1});
  ASSERT_TRUE(verdict && verdict->front().verdict == redis::Verdict::kAccepted);
  auto relay = consumer("on");
  EXPECT_TRUE(hears(accepted_));
  EXPECT_TRUE(wait_until([&] {
    hear();
    return refused_ == std::set<std::string>{verdict->front().claim.text()};
  }));
}

TEST_F(SettlementEvents, AreNotRecordedWhenNobodyWantsThem) {
  world_.flashctl({"events", "off", "--yes"});
  claim(80, 4);
  auto quiet = consumer("off");
  ASSERT_TRUE(all_settled(80));
  EXPECT_EQ(feed().waiting, 0);
}

}  // namespace
}  // namespace flashclaim::access
