// Negative controls of the mirror: publishing without confirm, deleting the entry with it, publishing without
// `mandatory`.
#include "engine/amqp/topology.h"
#include "tests/chaos/control_world.h"
#include "tests/harness/gate.h"

namespace flashclaim::chaos {
namespace {

class ControlMirror : public Control {
 protected:
  /// An engine whose mirror has its RabbitMQ behind a gate. One claim has gone through it.
  void start_behind_gate() {
    const std::string direct = environment_.at("AMQP_URL");
    environment_["AMQP_URL"] = gate_.through(direct);
    engine_ = engine();
    environment_["AMQP_URL"] = direct;
    coupon_ = open_coupon(100, 1);
    accept(coupon_, 1000);
    await_mirror(coupon_);
  }
  /// Twenty claims are published into a black hole; then the connection is lost.
  void lose_what_is_published(std::int64_t pending_after) {
    gate_.set(harness::GateMode::kBlackHole);
    accept_some(coupon_, 20);
    await_mirror(coupon_, pending_after);
    gate_.set(harness::GateMode::kRefuse);
    gate_.pass();
  }

  harness::Gate gate_{rabbit_server().port()};
  std::int64_t coupon_ = 0;
};

TEST_P(ControlMirror, AcknowledgesOnlyWhatRabbitConfirmed) {
  without("mirror.confirm", "mirror.replay");
  start_behind_gate();
  lose_what_is_published(removed() ? 0 : 20);
  consume_everything(coupon_);
  verdict(4, "unfinished entries that are not dead");
}

TEST_P(ControlMirror, LeavesTheEntryInTheStream) {
  without("mirror.confirm,mirror.entry_stays");
  if (removed()) redis_text({"ACL", "SETUSER", "mirror", "+xdel"});  // its user may not either
  start_behind_gate();
  lose_what_is_published(removed() ? 0 : 20);
  consume_everything(coupon_);
  verdict(3, "acknowledged claims are nowhere");
}

TEST_P(ControlMirror, PublishesMandatory) {
  without("mirror.mandatory", "mirror.replay");
  engine_ = engine();
  coupon_ = open_coupon(100, 1);
  consume_everything(coupon_);
  EXPECT_EQ(consumer_->stop(), 0);
  ASSERT_TRUE(amqp().delete_queue(amqp::kQueue));
  accept_some(coupon_, 20);
  if (removed()) {
    await_mirror(coupon_);
  } else {
    ASSERT_TRUE(wait_until([&] { return engine_->output().find("publish_unroutable") != std::string::npos; }));
  }
  ASSERT_TRUE(amqp::declare_topology(admin_amqp()));
  await_mirror(coupon_);
  consume_everything(coupon_);
  verdict(4, "unfinished entries that are not dead");
}

TEST_P(ControlMirror, SendsAgainTheOneThatWasLostInTheMiddle) {
  without("mirror.replay");
  engine_ = engine({"--republish-after=1"});
  coupon_ = open_coupon(100, 1);
  accept_some(coupon_, 20);
  await_mirror(coupon_);
  // Its own connection takes eleven messages, acknowledges the last of them and ends: ten go back.
  auto thief = amqp::Connection::open(environment_.at("AMQP_URL"), {.name = "thief"});
  ASSERT_TRUE(thief);
  std::uint64_t last = 0;
  for (int i = 0; i <= 10; ++i) {
    const auto taken = (*thief)->get(amqp::kQueue);
    ASSERT_TRUE(taken && taken->has_value());
    last = (*taken)->delivery_tag;
  }
  ASSERT_TRUE((*thief)->ack(last, false));
  thief = failure("ended");
  consume_everything(coupon_);
  verdict(4, "unfinished entries that are not dead");
}

TEST_P(ControlMirror, SendsAgainWhatTheBrokerLost) {
  without("mirror.replay");
  engine_ = engine({"--republish-after=1"});
  coupon_ = open_coupon(100, 1);
  accept_some(coupon_, 20);
  await_mirror(coupon_);
  ASSERT_TRUE(amqp().purge_queue(amqp::kQueue));
  consume_everything(coupon_);
  verdict(4, "unfinished entries that are not dead");
}

TEST_P(ControlMirror, SendsAgainWhatADeletedQueueHeld) {
  without("mirror.replay");
  engine_ = engine({"--republish-after=1"});
  coupon_ = open_coupon(100, 1);
  accept_some(coupon_, 20);
  await_mirror(coupon_);
  ASSERT_TRUE(amqp().delete_queue(amqp::kQueue));
  ASSERT_TRUE(amqp::declare_topology(amqp()));  // at once: nobody can have seen that it was missing
  consume_everything(coupon_);
  verdict(4, "unfinished entries that are not dead");
}

FLASHCLAIM_CONTROL(ControlMirror);

}  // namespace
}  // namespace flashclaim::chaos
