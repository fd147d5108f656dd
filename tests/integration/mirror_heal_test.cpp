// The mirror's neighbours and predecessors die, its keys vanish, its broker refuses: nothing is missing afterwards.
#include <sstream>
#include <thread>

#include "engine/amqp/topology.h"
#include "tests/harness/shifted_clock.h"
#include "tests/integration/mirror_bench.h"

namespace flashclaim::mirror {
namespace {

using harness::PrivateRabbit;
using harness::wait_until;

/// What a mirror that then died had read: pending for `consumer`, perhaps published, never acknowledged.
void read_as(Streams& streams, const std::string& consumer, int count) {
  streams.run(
      {"XREADGROUP", "GROUP", "mirror", consumer, "COUNT", std::to_string(count), "STREAMS", "coupon:claims:{1}", ">"});
}

TEST_F(MirrorTest, DeathBeforeTheAcknowledgementPublishesAgainAtTheNextStart) {
  streams_->add_coupon(1);
  auto names = streams_->add_entries(1, 700);
  read_as(*streams_, "m1", 700);
  auto later = streams_->add_entries(1, 10);
  RunningMirror mirror(options("m1"));
  names.insert(names.end(), later.begin(), later.end());
  EXPECT_TRUE(arrives(names));
  EXPECT_TRUE(wait_until([&] { return streams_->pending(1) == 0; }));
}

TEST_F(MirrorTest, TakesOverWhatAMirrorThatIsGoneHadRead) {
  streams_->add_coupon(1);
  auto names = streams_->add_entries(1, 350);
  read_as(*streams_, "gone", 350);
  auto settings = options("m2");
  settings.idle_claim_ms = 200;
  RunningMirror mirror(settings);
  EXPECT_TRUE(arrives(names));
  EXPECT_TRUE(wait_until([&] { return streams_->pending(1) == 0; }));
  EXPECT_EQ(mirror.stats().taken_over, 350u);
}

// Redis' clock was ahead while the other read: their idle time is negative for an hour, and its own take-over by idle
// time waits for that long.
TEST_F(MirrorTest, TakesOverWhatWasReadByAClockThatWentBack) {
  harness::ShiftedClock clock;
  const harness::PrivateRedis server(clock.setup());
  redis_url_ = server.url();
  load_library(redis_url_);
  streams_ = std::make_unique<Streams>(redis_url_);
  streams_->add_coupon(1);
  clock.ahead_by(3'600'000);
  auto names = streams_->add_entries(1, 350);
  read_as(*streams_, "gone", 350);
  clock.ahead_by(0);
  const auto idle = streams_->run({"XAUTOCLAIM", "coupon:claims:{1}", "mirror", "probe", "1", "0-0"});
  EXPECT_EQ(idle[1].size(), 0U) << "by idle time there is nothing to take";
  auto settings = options("m2");
  settings.idle_claim_ms = 300;
  settings.republish_after_ms = 400;  // its rounds come quickly
  RunningMirror mirror(settings);
  EXPECT_TRUE(arrives(names));
  EXPECT_TRUE(wait_until([&] { return streams_->pending(1) == 0; }));
  EXPECT_EQ(mirror.stats().taken_over, 350u);
}

TEST_F(MirrorTest, LeavesALivingMirrorsEntriesAlone) {
  streams_->add_coupon(1);
  streams_->add_entries(1, 5);
  read_as(*streams_, "busy", 5);
  auto settings = options("m2");
  settings.republish_after_ms = 400;  // its rounds come quickly; idle_claim_ms stays at 30 s
  RunningSink sink(amqp_url_);
  RunningMirror mirror(settings);
  auto own = streams_->add_entry(1);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.republished >= 2; }));
  const auto arrived = sink.stop();
  EXPECT_EQ(arrived.size(), 1u);
  EXPECT_TRUE(arrived.contains(own));
  EXPECT_EQ(streams_->pending(1), 5);
}

TEST_F(MirrorTest, APendingEntryThatWasFinishedLeavesNoTrace) {
  streams_->add_coupon(1);
  auto names = streams_->add_entries(1, 3);
  read_as(*streams_, "m1", 3);
  for (const auto& name : names) streams_->run({"XDEL", "coupon:claims:{1}", name.second.text()});
  RunningMirror mirror(options("m1"));
  EXPECT_TRUE(wait_until([&] { return streams_->pending(1) == 0; }));
  EXPECT_EQ(mirror.stats().published, 0u);
}

TEST_F(MirrorTest, AMissingGroupIsMadeAgainFromTheBeginning) {
  streams_->add_coupon(1);
  streams_->add_coupon(2);
  RunningMirror mirror(options());
  ASSERT_TRUE(arrives({streams_->add_entry(1)}));
  streams_->run({"FLUSHALL"});
  load_library(redis_url_);
  // Entries that arrive before anybody has made the group again must not be skipped.
  auto first = streams_->add_entry(1);
  streams_->run({"SADD", "coupon:issuing", "1"});
  EXPECT_TRUE(arrives({first, streams_->add_entry(1)}));
  EXPECT_GE(mirror.stats().healed_groups, 1u);
}

TEST_F(MirrorTest, WhatLeftTheQueueAndIsUnfinishedIsSentAgainButDeadAndFinishedEntriesAreNot) {
  streams_->add_coupon(1);
  auto names = streams_->add_entries(1, 4);
  auto settings = options();
  settings.republish_after_ms = 1500;
  RunningMirror mirror(settings);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.mirrored == 4; }));
  streams_->run({"SADD", "coupon:dead:{1}", names[0].second.text()});
  streams_->run({"XDEL", "coupon:claims:{1}", names[1].second.text()});
  RunningSink sink(amqp_url_);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.republished >= 4; }));
  EXPECT_TRUE(wait_until([&] { return connect()->queue_depth(amqp::kQueue).value() == 0; }));
  auto arrived = sink.stop();
  EXPECT_EQ(arrived[names[0]], 1);
  EXPECT_EQ(arrived[names[1]], 1);
  EXPECT_GE(arrived[names[2]], 2);
  EXPECT_GE(arrived[names[3]], 2);
}

TEST_F(MirrorTest, ABacklogIsNotSentAgainHoweverOldItGrows) {
  constexpr int kEntries = 600;
  streams_->add_coupon(1);
  auto settings = options();
  settings.republish_after_ms = 2000;
  RunningMirror mirror(settings);
  auto names = streams_->add_entries(1, kEntries);
  // Nobody consumes for twice the grace; then somebody who takes as long for it.
  std::this_thread::sleep_for(std::chrono::seconds(4));
  EXPECT_EQ(mirror.stats().republished, 0u);
  auto consumer = connect();
  ASSERT_TRUE(consumer->consume(amqp::kQueue, "slow", 20));
  Arrived arrived;
  for (int taken = 0; taken < kEntries; ++taken) {
    std::optional<amqp::Event> event;
    ASSERT_TRUE(wait_until([&] { return (event = consumer->poll(100).value()).has_value(); }));
    const auto& delivery = std::get<amqp::Delivery>(*event);
    const auto message = decode(delivery.body, delivery.header(amqp::kChecksumHeader)).value();
    ++arrived[{1, message.entry}];
    streams_->run({"XDEL", "coupon:claims:{1}", message.entry.text()});
    ASSERT_TRUE(consumer->ack(delivery.delivery_tag, false));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(arrived.size(), names.size());
  EXPECT_EQ(mirror.stats().republished, 0u);
}

TEST_F(MirrorTest, OneMessageLostInTheMiddleIsSentAgainAndNoOther) {
  streams_->add_coupon(1);
  auto settings = options();
  settings.republish_after_ms = 1000;
  RunningMirror mirror(settings);
  auto names = streams_->add_entries(1, 21);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.mirrored == 21; }));
  auto thief = connect();
  std::vector<amqp::Delivery> taken;
  for (int i = 0; i <= 10; ++i) taken.push_back(thief->get(amqp::kQueue).value().value());
  ASSERT_TRUE(thief->ack(taken[10].delivery_tag, false));
  thief.reset();  // the ten before it go back
  RunningSink sink(amqp_url_, redis_url_);
  ASSERT_TRUE(wait_until([&] { return streams_->length(1) == 0; }));
  const auto arrived = sink.stop();
  EXPECT_EQ(arrived.size(), names.size());
  for (const auto& [name, copies] : arrived) EXPECT_EQ(copies, 1) << name.second.text();
  EXPECT_EQ(mirror.stats().republished, 1u);
}

TEST_F(MirrorTest, ALeaseFromBeforeTheClockWentBackHoldsNobodyUp) {
  streams_->add_coupon(1);
  streams_->run({"SET", "coupon:sweeper:{1}", "gone", "PX", "86400000"});
  streams_->add_entry(1);
  auto settings = options();
  settings.republish_after_ms = 400;
  RunningSink sink(amqp_url_);
  RunningMirror mirror(settings);
  EXPECT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.republished >= 1; }));
}

TEST_F(MirrorTest, SeveralMirrorsDoNotAllSendTheOldOnes) {
  streams_->add_coupon(1);
  auto names = streams_->add_entries(1, 50);
  RunningSink sink(amqp_url_);
  std::vector<std::unique_ptr<RunningMirror>> mirrors;
  for (int i = 0; i < 4; ++i) {
    auto settings = options("m" + std::to_string(i));
    settings.republish_after_ms = 2000;
    settings.republish_every_max_ms = 3600000;
    mirrors.push_back(std::make_unique<RunningMirror>(settings));
  }
  std::uint64_t republished = 0;
  ASSERT_TRUE(wait_until([&] {
    republished = 0;
    for (const auto& mirror : mirrors) republished += mirror->stats().republished;
    return republished >= 100;  // twice
  }));
  mirrors.clear();
  EXPECT_TRUE(wait_until([&] { return connect()->queue_depth(amqp::kQueue).value() == 0; }));
  const auto arrived = sink.stop();
  EXPECT_EQ(arrived.size(), names.size());
  // Four mirrors that all sent would have made 9 copies by then; a lease that runs out in between may cost one more.
  for (const auto& [name, copies] : arrived) EXPECT_LE(copies, 5) << name.second.text();
}

TEST_F(MirrorTest, AQueueThatIsDeletedUnderWayLosesNothing) {
  streams_->add_coupon(1);
  RunningMirror mirror(options());
  auto names = streams_->add_entries(1, 500);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.mirrored == 500; }));
  ASSERT_TRUE(connect()->delete_queue(amqp::kQueue));
  auto later = streams_->add_entries(1, 500);
  names.insert(names.end(), later.begin(), later.end());
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.returned > 0; }));
  declare();
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.republished >= 500; }));
  EXPECT_TRUE(arrives(names));
  EXPECT_TRUE(wait_until([&] { return streams_->pending(1) == 0; }));
}

TEST_F(MirrorTest, AQueueThatIsMissingAtTheStartIsRefilledOnceItIsDeclared) {
  streams_->add_coupon(1);
  auto names = streams_->add_entries(1, 300);
  {
    RunningMirror mirror(options());
    ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.mirrored == 300; }));
  }
  ASSERT_TRUE(connect()->delete_queue(amqp::kQueue));
  RunningMirror mirror(options());
  ASSERT_TRUE(
      mirror.reaches([](const MirrorStats& s) { return s.redis_connected; }));  // after its first look at RabbitMQ
  declare();
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.republished == 300; }));
  EXPECT_TRUE(arrives(names));
}

TEST_F(MirrorTest, AQueueThatRefusesIsTriedAgainUntilItTakes) {
  auto& rabbit = PrivateRabbit::shared();
  const auto vhost = amqp_url_.substr(amqp_url_.rfind('/') + 1);
  rabbit.ctl({"set_policy", "-p", vhost, "full", "^promotion.coupon.receive.queue$", R"({"max-length":20})"});
  streams_->add_coupon(1);
  RunningMirror mirror(options());
  std::vector<EntryName> names;
  // A quorum queue tells a publisher that it is full a little late.
  ASSERT_TRUE(wait_until([&] {
    auto more = streams_->add_entries(1, 20);
    names.insert(names.end(), more.begin(), more.end());
    return mirror.stats().nacked > 0;
  }));
  rabbit.ctl({"clear_policy", "-p", vhost, "full"});
  EXPECT_TRUE(arrives(names));
  EXPECT_TRUE(wait_until([&] { return streams_->pending(1) == 0; }));
}

// A purge takes streams away under a mirror that waits in them: it goes on with the others on the same connection, and
// makes nothing anew. Many times, for each must meet it while it waits.
TEST_F(MirrorTest, APurgeNeitherCutsItsConnectionNorBringsTheStreamBack) {
  constexpr int kPurged = 60;
  streams_->add_coupons(1, kPurged + 1);
  RunningMirror mirror(options("m1"));
  const auto connections = [&] {
    std::istringstream list(std::string(streams_->run({"CLIENT", "LIST", "TYPE", "normal"}).text()));
    std::set<std::string> ids;
    for (std::string line; std::getline(list, line);) ids.insert(line.substr(0, line.find(' ')));
    return ids;
  };
  ASSERT_TRUE(arrives({streams_->add_entry(kPurged + 1)}));
  const auto before = connections();
  for (int coupon = 1; coupon <= kPurged; ++coupon) {
    streams_->run({"SREM", "coupon:issuing", std::to_string(coupon)});
    streams_->run({"DEL", "coupon:claims:{" + std::to_string(coupon) + "}"});
    std::this_thread::sleep_for(std::chrono::milliseconds(7));  // it waits for 20 at a time: some are met within
  }
  ASSERT_TRUE(arrives({streams_->add_entry(kPurged + 1)}));
  EXPECT_EQ(connections(), before);
  EXPECT_EQ(mirror.stats().healed_groups, 0u);
  for (int coupon = 1; coupon <= kPurged; ++coupon)
    EXPECT_EQ(streams_->run({"EXISTS", "coupon:claims:{" + std::to_string(coupon) + "}"}).integer(), 0) << coupon;
}

}  // namespace
}  // namespace flashclaim::mirror
