// Shutdown in every state: each program ends by itself and loses nothing; a second signal ends it at once.
#include <gtest/gtest.h>
#include <signal.h>

#include "engine/amqp/topology.h"
#include "tests/harness/crowd.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

class Shutdown : public WholePath {
 protected:
  /// Everything runs and has settled something.
  void begin() {
    start_programs();
    coupon_ = open_coupon(1'000'000, 1000);
    accept(coupon_, 1, 20);
    ASSERT_TRUE(wait_until([&] { return counts(coupon_).rows == 20; }));
  }
  void expect_good_end() {
    engine_->signal(SIGTERM);
    consumer_->signal(SIGTERM);
    EXPECT_EQ(engine_->wait(), 0) << engine_->output();
    EXPECT_EQ(consumer_->wait(), 0) << consumer_->output();
  }
  void expect_nothing_lost() {
    engine_ = engine_again();
    consumer_ = consumer();
    await_rest();
    EXPECT_GE(expect_invariants(told_).settled, static_cast<std::int64_t>(told_.acknowledged.size()));
    EXPECT_EQ(amqp().queue_depth(amqp::kDeadLetterQueue).value(), 0);
  }

  std::int64_t coupon_ = 0;
};

TEST_F(Shutdown, WhenIdleEndsByItself) {
  begin();
  expect_good_end();
  expect_nothing_lost();
}

TEST_F(Shutdown, UnderLoadLosesNothing) {
  begin();
  harness::CrowdOptions options;
  options.ports = {http_port_};
  options.coupons = {coupon_};
  harness::Crowd load(options);
  EXPECT_TRUE(wait_until([&] { return load.accepted() > 300; }));
  expect_good_end();
  engine_ = engine_again();
  EXPECT_TRUE(wait_until([&, before = load.accepted()] { return load.accepted() > before + 100; }));
  const auto report = load.finish();
  EXPECT_EQ(report.unlearnt, 0);
  told_.acknowledged.insert(told_.acknowledged.end(), report.acknowledged.begin(), report.acknowledged.end());
  engine_->stop();
  expect_nothing_lost();
}

TEST_F(Shutdown, WithASilentRedisEndsAndLosesNothing) {
  begin();
  accept(coupon_, 21, 40);
  redis_server().pause();
  expect_good_end();
  redis_server().resume();
  expect_nothing_lost();
}

TEST_F(Shutdown, WithoutRedisEndsAndLosesNothing) {
  begin();
  accept(coupon_, 21, 40);
  redis_server().kill();
  expect_good_end();
  redis_server().start();
  expect_nothing_lost();
}

TEST_F(Shutdown, WithASilentRabbitEndsAndLosesNothing) {
  begin();
  rabbit_server().pause();
  accept(coupon_, 21, 40);
  expect_good_end();
  rabbit_server().resume();
  expect_nothing_lost();
}

TEST_F(Shutdown, WithoutRabbitEndsAndLosesNothing) {
  begin();
  harness::PrivateRabbit::let_new_queues_reach_the_disk();
  rabbit_server().kill();
  accept(coupon_, 21, 40);
  expect_good_end();
  rabbit_server().start();
  expect_nothing_lost();
}

/// The consumer holds a batch that it cannot settle.
TEST_F(Shutdown, WithABatchHeldByASilentPostgresEndsAndLosesNothing) {
  begin();
  postgres_server().pause();
  accept(coupon_, 21, 40);
  EXPECT_TRUE(wait_until([&] { return amqp().queue_depth(amqp::kQueue).value() == 0; }));
  expect_good_end();
  postgres_server().resume();
  expect_nothing_lost();
}

TEST_F(Shutdown, WithABatchHeldWithoutPostgresEndsAndLosesNothing) {
  begin();
  postgres_server().kill();
  accept(coupon_, 21, 40);
  EXPECT_TRUE(wait_until([&] {
    return harness::raw_request(consumer_admin_port_, "GET", "/readyz").body.find(" held") != std::string::npos;
  }));
  expect_good_end();
  postgres_server().start();
  expect_nothing_lost();
}

TEST_F(Shutdown, ASecondSignalEndsAtOnce) {
  begin();
  postgres_server().pause();
  redis_server().pause();
  harness::RawConnection owed(http_port_);
  owed.send("POST /coupons/" + std::to_string(coupon_) + "/receive HTTP/1.1\r\nHost: a\r\nX-User-Id: 5\r\n");
  for (auto* program : {engine_.get(), consumer_.get()}) {
    program->signal(SIGTERM);
    EXPECT_TRUE(wait_until([&] {
      const std::string log = program->output();
      return log.find("draining") != std::string::npos || log.find("stopping") != std::string::npos;
    }));
    program->signal(SIGTERM);
    EXPECT_EQ(program->wait(), 1) << program->output();
    EXPECT_NE(program->output().find("ended_at_once"), std::string::npos) << program->output();
  }
  redis_server().resume();
  postgres_server().resume();
  expect_nothing_lost();
}

}  // namespace
}  // namespace flashclaim
