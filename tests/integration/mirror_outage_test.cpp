// Redis or RabbitMQ goes away under load and comes back: the mirror keeps everything, and catches up by itself.
#include <atomic>

#include "engine/amqp/topology.h"
#include "engine/base/log.h"
#include "engine/base/url.h"
#include "tests/integration/mirror_bench.h"

namespace flashclaim::mirror {
namespace {

using harness::PrivateRabbit;
using harness::PrivateRedis;
using harness::wait_until;

/// A broker and a Redis of these tests' own, which they may break; both are started once.
class MirrorOutage : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    rabbit = new PrivateRabbit;
    redis_server = new PrivateRedis;
  }
  static void TearDownTestSuite() {
    delete rabbit;
    delete redis_server;
  }
  void SetUp() override {
    redis_server->flush();
    load_library(redis_server->url());
    auto broker = connect_to(rabbit->url());
    ASSERT_TRUE(amqp::declare_topology(*broker));
    ASSERT_TRUE(broker->purge_queue(amqp::kQueue));
    streams_ = std::make_unique<Streams>(redis_server->url());
    streams_->add_coupon(1);
    options_.redis_url = redis_server->url();
    options_.amqp_url = rabbit->url();
  }
  void add(int count) {
    for (const auto& name : streams_->add_entries(1, count)) expected_.insert(name);
  }
  bool all_arrive() {
    Arrived arrived;
    return drain_until(*connect_to(rabbit->url()), expected_, arrived) &&
           wait_until([&] { return streams_->pending(1) == 0; });
  }

  static PrivateRabbit* rabbit;
  static PrivateRedis* redis_server;
  Options options_;
  std::unique_ptr<Streams> streams_;
  std::set<EntryName> expected_;
};
PrivateRabbit* MirrorOutage::rabbit = nullptr;
PrivateRedis* MirrorOutage::redis_server = nullptr;

TEST_F(MirrorOutage, ABrokerThatIsKilledUnderWayGetsEverythingAfterItsReturn) {
  RunningMirror mirror(options_);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.amqp_connected; }));
  PrivateRabbit::let_new_queues_reach_the_disk();
  add(2000);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.confirmed > 0; }));
  rabbit->kill();
  add(500);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return !s.amqp_connected; }));
  rabbit->start();
  EXPECT_TRUE(all_arrive());
  EXPECT_EQ(streams_->length(1), 2500);
}

TEST_F(MirrorOutage, ABrokerThatIsStoppedAndStartedGetsEverything) {
  RunningMirror mirror(options_);
  add(300);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.mirrored == 300; }));
  rabbit->stop();
  add(300);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return !s.amqp_connected; }));
  mirror.stop();  // and this returns although the broker is away
  RunningMirror next(options_);
  rabbit->start();
  EXPECT_TRUE(all_arrive());
}

TEST_F(MirrorOutage, AMemoryAlarmHoldsNobodyUpForEver) {
  RunningMirror mirror(options_);
  add(50);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.mirrored == 50; }));
  rabbit->ctl({"set_vm_memory_high_watermark", "absolute", "1MB"});
  // The broker tells a publisher only when it publishes.
  ASSERT_TRUE(wait_until([&] {
    add(1);
    return mirror.stats().amqp_blocked;
  }));
  add(3000);
  EXPECT_LE(mirror.stats().unconfirmed, options_.window);
  {
    auto settings = options_;
    settings.name = "m2";
    settings.stop_deadline_ms = 200;
    RunningMirror other(settings);
    ASSERT_TRUE(other.reaches([](const MirrorStats& s) { return s.redis_connected; }));
  }  // stopped and joined while the alarm lasts
  rabbit->ctl({"set_vm_memory_high_watermark", "absolute", "2GB"});
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return !s.amqp_blocked; }));
  options_.idle_claim_ms = 200;
  options_.name = "m3";
  RunningMirror heir(options_);  // for what m2 had read
  EXPECT_TRUE(all_arrive());
}

TEST_F(MirrorOutage, ARedisThatIsKilledAndStartedLosesNothingAndIsSuspected) {
  publish_coupon(redis_server->url(), 2);
  RunningMirror mirror(options_);
  add(1000);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.confirmed > 0 && !s.replication_id.empty(); }));
  EXPECT_TRUE(streams_->run({"HGET", "prs:coupon:{2}", "suspect"}).is_nil());
  redis_server->kill();
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return !s.redis_connected; }));
  redis_server->start();
  streams_->reconnect();
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.redis_connected; }));
  add(100);
  EXPECT_TRUE(all_arrive());
  // Another replication id: what the old one had promised must be looked at.
  EXPECT_EQ(streams_->run({"HGET", "prs:coupon:{2}", "suspect"}).text(), "1");
}

TEST_F(MirrorOutage, WithoutNeighboursItWaitsAndStopsWhenAsked) {
  options_.redis_url = "redis://127.0.0.1:1/0";
  options_.amqp_url = "amqp://guest:guest@127.0.0.1:1/%2F";
  RunningMirror mirror(options_);
  mirror.stop();
  EXPECT_FALSE(mirror.stats().redis_connected);
  EXPECT_FALSE(mirror.stats().amqp_connected);
}

}  // namespace
}  // namespace flashclaim::mirror
