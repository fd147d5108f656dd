// The mirror in health: every entry reaches the queue, stays in its stream, and is acknowledged there.
#include "tests/harness/witness.h"
#include "tests/integration/mirror_bench.h"

namespace flashclaim::mirror {
namespace {

using harness::wait_until;

constexpr std::int64_t kCoupons[] = {1, 2, 9007199254740993};

std::vector<EntryName> joined(std::vector<EntryName> a, const std::vector<EntryName>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST_F(MirrorTest, CarriesEveryEntryOnceAndLeavesItInTheStream) {
  std::set<EntryName> expected;
  for (std::int64_t coupon : kCoupons) streams_->add_coupon(coupon);
  RunningMirror mirror(options());
  for (std::int64_t coupon : kCoupons)
    for (const auto& name : streams_->add_entries(coupon, 200)) expected.insert(name);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.mirrored == 600; }));
  Arrived arrived;
  ASSERT_TRUE(arrives(expected, arrived));
  EXPECT_EQ(arrived.size(), 600u);
  for (const auto& [name, copies] : arrived) EXPECT_EQ(copies, 1);
  for (std::int64_t coupon : kCoupons) {
    EXPECT_EQ(streams_->length(coupon), 200);
    EXPECT_EQ(streams_->pending(coupon), 0);
  }
  auto stats = mirror.stats();
  EXPECT_EQ(stats.published, 600u);
  EXPECT_EQ(stats.confirmed, 600u);
  EXPECT_EQ(stats.unconfirmed, 0u);
  EXPECT_TRUE(stats.redis_connected && stats.amqp_connected && !stats.amqp_blocked);
}

TEST_F(MirrorTest, ReadsACouponThatIsPublishedLater) {
  RunningMirror mirror(options());
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.redis_connected && s.amqp_connected; }));
  streams_->add_coupon(5);
  EXPECT_TRUE(arrives({streams_->add_entry(5)}));
}

TEST_F(MirrorTest, ReadsEveryOneOfThousandsOfQuietCoupons) {
  constexpr int kMany = 3000;
  streams_->add_coupons(1, kMany);
  RunningMirror mirror(options());
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.coupons == kMany; }));
  std::vector<EntryName> expected;
  for (int coupon = 1; coupon <= kMany; coupon += 31) expected.push_back(streams_->add_entry(coupon));
  for (int coupon : {1, 1500, 3000}) expected = joined(expected, streams_->add_entries(coupon, 50));
  EXPECT_TRUE(arrives(expected));
}

TEST_F(MirrorTest, TwoMirrorsShareTheWorkAndMissNothing) {
  streams_->add_coupon(1);
  RunningMirror one(options("m1"));
  RunningMirror two(options("m2"));
  auto expected = streams_->add_entries(1, 2000);
  ASSERT_TRUE(wait_until([&] { return one.stats().mirrored + two.stats().mirrored == 2000; }));
  EXPECT_TRUE(arrives(expected));
  EXPECT_EQ(streams_->pending(1), 0);
}

TEST_F(MirrorTest, StoppingLeavesNothingConfirmedUnacknowledged) {
  streams_->add_coupon(1);
  auto expected = streams_->add_entries(1, 3000);
  RunningMirror mirror(options());
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.published > 100; }));
  mirror.stop();
  auto stats = mirror.stats();
  EXPECT_EQ(stats.unconfirmed, 0u);
  EXPECT_EQ(stats.confirmed, stats.mirrored);
  RunningMirror next(options());
  Arrived arrived;
  ASSERT_TRUE(arrives({expected.begin(), expected.end()}, arrived));
  for (const auto& [name, copies] : arrived) EXPECT_EQ(copies, 1) << name.second.text();
}

TEST_F(MirrorTest, ShowsWhatIsNotMirroredAndWhatIsNotFinished) {
  streams_->add_coupon(1);
  auto names = streams_->add_entries(1, 10);
  auto settings = options();
  settings.republish_after_ms = 4000;
  RunningMirror mirror(settings);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.backlog == 0 && s.unfinished == 10; }));
  for (int i = 0; i < 4; ++i)
    streams_->run({"XDEL", "coupon:claims:{1}", names[static_cast<std::size_t>(i)].second.text()});
  EXPECT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.unfinished == 6; }));
}

TEST_F(MirrorTest, AnEndedCouponWithAnEmptyStreamIsReadNoMore) {
  auto coupon = publish_coupon(redis_url_, 1);
  auto settings = options();
  settings.republish_after_ms = 2000;
  RunningMirror mirror(settings);
  auto entry = streams_->add_entry(1);
  ASSERT_TRUE(arrives({entry}));
  coupon.version = 2;
  coupon.status = "ended";
  auto client = redis::Client::connect(redis_url_, redis::Milliseconds(30000));
  ASSERT_TRUE(client);
  ASSERT_EQ(redis::apply_state(*client, coupon, false).value(), redis::ApplyReply::kApplied);
  // While an entry is unfinished it stays; the mirror looks at it all the same.
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.unfinished == 1; }));
  EXPECT_EQ(streams_->run({"SISMEMBER", "coupon:issuing", "1"}).integer(), 1);
  streams_->run({"XDEL", "coupon:claims:{1}", entry.second.text()});
  EXPECT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.coupons == 0; }));
  EXPECT_EQ(streams_->run({"SISMEMBER", "coupon:issuing", "1"}).integer(), 0);
}

TEST_F(MirrorTest, ADamagedEntryStaysPendingAndDoesNotStopTheOthers) {
  harness::announce_error("entry_damaged");
  streams_->add_coupon(1);
  std::vector<EntryName> good = {streams_->add_entry(1)};
  streams_->add_raw(1, {"e", "1", "u", "7,8", "h", "0123456789abcdef"});
  streams_->add_raw(1, {"something", "else"});
  good = joined(good, streams_->add_entries(1, 5));
  auto settings = options();
  settings.idle_claim_ms = 100;
  settings.republish_after_ms = 400;
  RunningSink sink(amqp_url_);
  RunningMirror mirror(settings);
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.damaged == 2 && s.mirrored == 6; }));
  EXPECT_EQ(streams_->pending(1), 2);
  // It is met again and again (taken over, swept), and still reported once.
  ASSERT_TRUE(mirror.reaches([](const MirrorStats& s) { return s.republished >= 12; }));
  const auto arrived = sink.stop();
  EXPECT_EQ(arrived.size(), good.size());
  for (const auto& name : good) EXPECT_TRUE(arrived.contains(name)) << name.second.text();
  EXPECT_EQ(mirror.stats().damaged, 2u);
  EXPECT_EQ(streams_->pending(1), 2);
  EXPECT_EQ(streams_->length(1), 8);
}

TEST_F(MirrorTest, AStreamKeyOfAnotherTypeDoesNotStopTheOthers) {
  harness::announce_error("stream_unreadable");
  streams_->add_coupon(1);
  streams_->add_coupon(3);
  streams_->run({"SET", "coupon:claims:{2}", "garbage"});
  streams_->run({"SADD", "coupon:issuing", "2"});
  RunningMirror mirror(options());
  EXPECT_TRUE(arrives({streams_->add_entry(1), streams_->add_entry(3)}));
  EXPECT_EQ(streams_->run({"GET", "coupon:claims:{2}"}).text(), "garbage");
}

}  // namespace
}  // namespace flashclaim::mirror
