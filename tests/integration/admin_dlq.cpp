// Dead letters: replayed twice they settle once, rejected twice the unit returns once, and nothing is lost on the way.
#include "engine/amqp/topology.h"
#include "engine/base/digest.h"
#include "engine/mirror/message.h"
#include "engine/operations/dlq.h"
#include "engine/postgres/settle.h"
#include "tests/integration/admin_stores.h"

namespace flashclaim::operations {
namespace {

class DeadLetters : public Stores {
 protected:
  void SetUp() override {
    Stores::SetUp();
    id_ = issue(10);
    expect_depths(0, 0);
  }

  void publish(std::string_view queue, const std::string& body, const std::string& message_id, const std::string& sum) {
    amqp::Publication letter;
    letter.routing_key = queue;
    letter.body = body;
    letter.message_id = message_id;
    letter.headers = {{std::string(amqp::kChecksumHeader), sum}, {std::string(amqp::kAttemptsHeader), "3"}};
    ASSERT_TRUE(amqp().publish(letter));
    ASSERT_TRUE(harness::wait_until([&] {  // its confirm
      const auto event = amqp().poll(100);
      return event && event->has_value() && std::holds_alternative<amqp::Confirmed>(**event);
    }));
  }
  static mirror::EntryMessage message(const std::vector<Acknowledged>& claims) {
    mirror::EntryMessage message{claims[0].claim.coupon_id, claims[0].claim.epoch, claims[0].claim.entry, {}};
    for (const Acknowledged& one : claims) message.users.push_back(one.user_id);
    return message;
  }
  /// What the consumer does after the third attempt: mark, then the letter.
  mirror::EntryMessage bury(const std::vector<Acknowledged>& claims) {
    const auto dead = message(claims);
    EXPECT_TRUE(redis::mark_dead(redis(), dead.coupon_id, dead.entry));
    const std::string body = mirror::encode(dead);
    publish(amqp::kDeadLetterQueue, body, dead.message_id(), checksum(body));
    return dead;
  }
  /// Settles every message of the work queue, as the consumer does; how many.
  int consume() {
    int count = 0;
    for (;; ++count) {
      const auto delivery = amqp().get(amqp::kQueue);
      EXPECT_TRUE(delivery);
      if (!delivery || !delivery->has_value()) return count;
      const auto entry = mirror::decode((*delivery)->body, (*delivery)->header(amqp::kChecksumHeader));
      EXPECT_TRUE(entry);
      if (!entry) return count;
      EXPECT_EQ((*delivery)->header(amqp::kAttemptsHeader), "0");
      std::vector<postgres::SettleClaim> claims;
      for (std::size_t i = 0; i < entry->users.size(); ++i) {
        claims.push_back({entry->coupon_id, entry->epoch, entry->entry, static_cast<int>(i), entry->users[i]});
      }
      const auto outcomes = postgres::settle_claims(pg(), claims);
      EXPECT_TRUE(outcomes);
      redis::FinishCall call{entry->coupon_id, entry->epoch, entry->entry, static_cast<int>(claims.size()), false, {}};
      for (std::size_t i = 0; i < claims.size(); ++i) {
        call.fresh = call.fresh || (*outcomes)[i].fresh;
        if (postgres::is_refused((*outcomes)[i].outcome)) {
          call.refused.push_back({static_cast<int>(i), std::string(postgres::word((*outcomes)[i].outcome))});
        }
      }
      EXPECT_TRUE(redis::finish(redis(), call));
      EXPECT_TRUE(amqp().ack((*delivery)->delivery_tag, false));
    }
  }
  void expect_depths(std::int64_t work, std::int64_t dead) {
    EXPECT_TRUE(harness::wait_until([&] {
      const auto at_work = amqp().queue_depth(amqp::kQueue);
      const auto at_dead = amqp().queue_depth(amqp::kDeadLetterQueue);
      return at_work && at_dead && *at_work == work && *at_dead == dead;
    })) << "expected "
        << work << " messages and " << dead << " dead letters";
  }
  DlqReport replay(const DlqFilter& filter = {}) {
    const auto report = replay_dead(redis(), pg(), amqp(), filter);
    EXPECT_TRUE(report) << (report ? "" : report.error().message);
    return report ? *report : DlqReport{};
  }
  DlqReport reject(const DlqFilter& filter = {}) {
    const auto report = reject_dead(redis(), pg(), amqp(), filter);
    EXPECT_TRUE(report) << (report ? "" : report.error().message);
    return report ? *report : DlqReport{};
  }
  std::vector<DeadLetter> list(const DlqFilter& filter = {}) {
    auto dead = list_dead(redis(), pg(), amqp(), filter);
    EXPECT_TRUE(dead) << (dead ? "" : dead.error().message);
    return dead ? std::move(dead).value() : std::vector<DeadLetter>();
  }

  std::int64_t id_ = 0;
};

TEST_F(DeadLetters, AreListedAndStayWhereTheyAre) {
  const auto dead = bury(claim(id_, {1, 2}));
  publish(amqp::kDeadLetterQueue, "rubbish", "", "0");
  const auto lost_letter = claim(id_, {3});
  ASSERT_TRUE(redis::mark_dead(redis(), id_, lost_letter[0].claim.entry));
  for (int round = 0; round < 2; ++round) {
    const auto letters = list();
    ASSERT_EQ(letters.size(), 3U);
    const auto whole =
        std::find_if(letters.begin(), letters.end(), [&](const auto& one) { return one.entry == dead.entry; });
    ASSERT_NE(whole, letters.end());
    EXPECT_TRUE(whole->letter && whole->marked && whole->in_stream);
    EXPECT_EQ(whole->claims, 2);
    EXPECT_EQ(whole->attempts, "3");
    EXPECT_EQ(std::count_if(letters.begin(), letters.end(), [](const auto& one) { return !one.problem.empty(); }), 1);
    EXPECT_FALSE(letters[2].letter) << "the mark whose letter the broker lost";
    EXPECT_EQ(letters[2].entry, lost_letter[0].claim.entry);
    expect_depths(0, 2);
  }
}

TEST_F(DeadLetters, ReplayedTwiceSettleOnce) {
  const auto dead = bury(claim(id_, {1, 2}));
  EXPECT_EQ(replay().handled, 1);
  expect_depths(1, 0);
  ASSERT_TRUE(harness::wait_until([&] { return list().empty(); }));
  EXPECT_EQ(consume(), 1);
  // The first replay died before it removed the letter: it is there once more.
  const std::string body = mirror::encode(dead);
  publish(amqp::kDeadLetterQueue, body, dead.message_id(), checksum(body));
  EXPECT_EQ(replay().handled, 1);
  EXPECT_EQ(consume(), 1);
  EXPECT_EQ(stock(id_), 8);
  expect_depths(0, 0);
  expect_sound(id_);
}

TEST_F(DeadLetters, AMarkWithoutALetterIsReplayedFromTheStream) {
  const auto dead = claim(id_, {1});
  ASSERT_TRUE(redis::mark_dead(redis(), id_, dead[0].claim.entry));
  EXPECT_EQ(replay().handled, 1);
  EXPECT_EQ(consume(), 1);
  expect_sound(id_);
}

TEST_F(DeadLetters, ADamagedLetterIsReplayedFromTheStream) {
  const auto dead = message(claim(id_, {1}));
  ASSERT_TRUE(redis::mark_dead(redis(), id_, dead.entry));
  publish(amqp::kDeadLetterQueue, "{\"v\":1,", dead.message_id(), "0");
  const auto report = replay();
  EXPECT_EQ(report.handled, 1);
  EXPECT_EQ(report.left, 0);
  EXPECT_EQ(consume(), 1);
  expect_depths(0, 0);
  expect_sound(id_);
}

TEST_F(DeadLetters, AHopelessLetterIsLeftByReplayAndDroppedByReject) {
  publish(amqp::kDeadLetterQueue, "rubbish", "rubbish", "0");
  EXPECT_EQ(replay().left, 1);
  expect_depths(0, 1);
  EXPECT_EQ(reject().dropped, 1);
  expect_depths(0, 0);
}

TEST_F(DeadLetters, OneThatNobodyCanJudgeStopsNoOther) {
  const auto other = issue(10);
  const std::string body =
      R"({"v":1,"couponId":"1","epoch":3000000000,"entryId":"5-0","claims":[{"claimId":"1-3000000000-5-0-0","userId":"7","index":0}]})";
  publish(amqp::kDeadLetterQueue, body, "1-3000000000-5-0", checksum(body));
  const auto real = message(claim(id_, {1}));
  auto forged = real;
  forged.users = {99};
  const std::string forged_body = mirror::encode(forged);
  publish(amqp::kDeadLetterQueue, forged_body, forged.message_id(), checksum(forged_body));
  redis_raw({"SET", redis::CouponKeys(other).dead, "garbage"});
  bury(claim(id_, {2}));
  EXPECT_EQ(list().size(), 3U);
  auto report = replay();
  EXPECT_EQ(report.handled, 1);
  EXPECT_EQ(report.left, 3) << report.why_left;
  EXPECT_EQ(consume(), 1);
  bury(claim(id_, {3}));
  report = reject();
  EXPECT_EQ(report.handled, 1);
  EXPECT_EQ(report.returned, 1) << "the claim of user 1 is not the forged letter's to refuse";
  EXPECT_EQ(report.dropped, 1);
  EXPECT_EQ(report.left, 2) << report.why_left;
  redis_raw({"DEL", redis::CouponKeys(other).dead});
  const auto dropped = drop_dead(redis(), pg(), amqp(), {});
  ASSERT_TRUE(dropped) << dropped.error().message;
  EXPECT_EQ(dropped->dropped, 1);
  EXPECT_EQ(dropped->left, 0);
  EXPECT_EQ(replay_entries(redis(), amqp(), id_).value().published, 1);
  EXPECT_EQ(consume(), 1);
  expect_depths(0, 0);
  EXPECT_EQ(stock(id_), 8);
  expect_sound(id_);
}

TEST_F(DeadLetters, ALetterThatCanBeJudgedIsNeverDropped) {
  const auto dead = bury(claim(id_, {1}));
  const auto dropped = drop_dead(redis(), pg(), amqp(), {id_, dead.entry});
  ASSERT_TRUE(dropped) << dropped.error().message;
  EXPECT_EQ(dropped->dropped, 0);
  EXPECT_EQ(dropped->left, 1);
  expect_depths(0, 1);
  EXPECT_EQ(replay().handled, 1);
  EXPECT_EQ(consume(), 1);
  expect_sound(id_);
}

TEST_F(DeadLetters, AnEntryThatIsDamagedOrOfAnImpossibleEpochIsDroppedByItsName) {
  const redis::CouponKeys keys(id_);
  claim(id_, {1});
  const std::vector<std::vector<std::string>> bad = {{"e", "3000000000", "u", "7", "h", checksum("3000000000 7")},
                                                     {"e", "1", "u", "7", "h", "0123456789abcdef"},
                                                     {"x", "y"}};
  for (const auto& fields : bad) {
    std::vector<std::string> add = {"XADD", keys.claims, "*"};
    add.insert(add.end(), fields.begin(), fields.end());
    const auto added = redis::ok(tester().command(add));
    ASSERT_TRUE(added);
    const auto entry = parse_entry_id(added->text());
    ASSERT_TRUE(entry);
    ASSERT_TRUE(redis::mark_dead(redis(), id_, *entry));
    const auto dropped = drop_dead(redis(), pg(), amqp(), {id_, *entry});
    ASSERT_TRUE(dropped) << dropped.error().message;
    EXPECT_EQ(dropped->dropped, 1);
  }
  EXPECT_EQ(redis::ok(redis().command({"XLEN", keys.claims}))->integer(), 1);
  EXPECT_TRUE(list().empty());
  EXPECT_EQ(replay_entries(redis(), amqp(), id_).value().published, 1);
  EXPECT_EQ(consume(), 1);
  ReconcileOptions options;
  options.fix = true;
  ASSERT_TRUE(reconcile(redis(), pg(), id_, options));
  expect_sound(id_);
}

TEST_F(DeadLetters, ADamagedEntryStopsNoReplayOfTheOthers) {
  const redis::CouponKeys keys(id_);
  claim(id_, {1});
  const auto damaged = redis::ok(tester().command({"XADD", keys.claims, "*", "x", "y"}));
  ASSERT_TRUE(damaged);
  claim(id_, {2});
  redis_raw({"XADD", keys.claims, "*", "e", "1", "u", "7", "h", "0123456789abcdef"});
  claim(id_, {3});
  const auto replayed = replay_entries(redis(), amqp(), id_);
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->published, 3);
  EXPECT_EQ(replayed->left, 2);
  EXPECT_NE(replayed->why_left.find(damaged->text()), std::string::npos) << replayed->why_left;
  EXPECT_EQ(consume(), 3);
}

TEST_F(DeadLetters, ADamagedStreamOrMarksAreLeftByAReplay) {
  const redis::CouponKeys keys(id_);
  claim(id_, {1});
  redis_raw({"SADD", keys.dead, "garbage"});
  auto replayed = replay_entries(redis(), amqp(), id_);
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->left, 1);
  EXPECT_EQ(replay().left, 1) << "marks that cannot be read stop no other coupon's letters";
  redis_raw({"DEL", keys.dead, keys.claims});
  redis_raw({"SET", keys.claims, "garbage"});
  replayed = replay_entries(redis(), amqp(), id_);
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->left, 1);
}

/// PostgreSQL's last moment is known to the C++: what the bound lets pass settles, what is above it is damage.
TEST_F(DeadLetters, TheLastEntryThatCanBeSettledIsNoDamageAndTheNextIsDropped) {
  const redis::CouponKeys keys(id_);
  const std::vector<postgres::SettleClaim> last = {{id_, 1, {mirror::kEntryMsMax, 0}, 0, 5}};
  EXPECT_TRUE(postgres::settle_claims(pg(), last));
  const std::string good = std::to_string(mirror::kEntryMsMax) + "-0";
  redis_raw({"XADD", keys.claims, good, "e", "1", "u", "5", "h", checksum("1 5")});
  EXPECT_EQ(replay_entries(redis(), amqp(), id_).value().published, 1);
  const std::string next = std::to_string(mirror::kEntryMsMax + 1) + "-0";
  for (const std::string& id : {next, std::string("9224318016000000-1"), std::string("18446744073709551615-7")}) {
    redis_raw({"XADD", keys.claims, id, "e", "1", "u", "7", "h", checksum("1 7")});
    const auto replayed = replay_entries(redis(), amqp(), id_);
    ASSERT_TRUE(replayed) << replayed.error().message;
    EXPECT_EQ(replayed->published, 1);
    EXPECT_EQ(replayed->left, 1);
    const auto entry = parse_entry_id(id);
    const auto dropped = entry ? drop_dead(redis(), pg(), amqp(), {id_, *entry}) : drop_stream_entry(redis(), id_, id);
    ASSERT_TRUE(dropped) << dropped.error().message;
    EXPECT_EQ(dropped->dropped, 1) << id;
    EXPECT_NE(dropped->advice.find("pause it"), std::string::npos);
  }
  EXPECT_EQ(redis::ok(redis().command({"XLEN", keys.claims}))->integer(), 1);
}

TEST_F(DeadLetters, RejectedTwiceTheUnitReturnsOnce) {
  const auto dead = bury(claim(id_, {1, 2}));
  EXPECT_EQ(stock(id_), 8);
  const auto report = reject();
  EXPECT_EQ(report.handled, 1);
  EXPECT_EQ(report.returned, 2);
  EXPECT_EQ(stock(id_), 10);
  const std::string body = mirror::encode(dead);
  publish(amqp::kDeadLetterQueue, body, dead.message_id(), checksum(body));  // the first reject died before its ack
  const auto again = reject();
  EXPECT_EQ(again.handled, 0);
  EXPECT_EQ(again.dropped, 1);
  EXPECT_EQ(stock(id_), 10);
  expect_depths(0, 0);
  expect_sound(id_);
  EXPECT_EQ(claim(id_, {1}).size(), 1U) << "the user may claim again";
}

TEST_F(DeadLetters, AClaimThatWasSettledStaysSettledWhenItsLetterIsRejected) {
  const auto accepted = claim(id_, {1, 2});
  const std::vector<postgres::SettleClaim> first = {{id_, 1, accepted[0].claim.entry, 0, 1}};
  ASSERT_TRUE(postgres::settle_claims(pg(), first));
  bury(accepted);
  const auto report = reject();
  EXPECT_EQ(report.kept, 1);
  EXPECT_EQ(report.returned, 1);
  EXPECT_EQ(stock(id_), 9);
  expect_sound(id_);
}

TEST_F(DeadLetters, AReplayAfterARejectChangesNothing) {
  const auto dead = bury(claim(id_, {1}));
  EXPECT_EQ(reject().returned, 1);
  const std::string body = mirror::encode(dead);
  publish(amqp::kDeadLetterQueue, body, dead.message_id(), checksum(body));
  EXPECT_EQ(replay().handled, 1);
  EXPECT_EQ(consume(), 1);
  EXPECT_EQ(stock(id_), 10);
  expect_sound(id_);
}

TEST_F(DeadLetters, OnlyThoseThatAreMeant) {
  const auto other = issue(10);
  const auto first = bury(claim(id_, {1}));
  bury(claim(id_, {2}));
  bury(claim(other, {1}));
  DlqFilter filter;
  filter.coupon_id = id_;
  EXPECT_EQ(list(filter).size(), 2U);
  filter.entry = first.entry;
  EXPECT_EQ(replay(filter).handled, 1);
  expect_depths(1, 2);
  EXPECT_EQ(reject({other, std::nullopt}).returned, 1);
  expect_depths(1, 1);
  EXPECT_EQ(consume(), 1);
  expect_sound(id_);
  expect_sound(other);
}

TEST_F(DeadLetters, ALetterOfAnOlderEpochIsRefusedAndGone) {
  const auto dead = bury(claim(id_, {1}));
  redis_raw({"FLUSHALL"});
  const auto rebuilt = rebuild_coupon(redis(), pg(), id_);
  ASSERT_TRUE(rebuilt);
  ASSERT_EQ(rebuilt->outcome, RebuildOutcome::kOpen);
  const auto report = reject();
  EXPECT_EQ(report.dropped, 1);
  EXPECT_EQ(report.left, 0);
  expect_depths(0, 0);
  EXPECT_EQ(stock(id_), 10);
  CheckOptions options;
  options.acknowledged = {{dead.claim_id(0), 1}};
  EXPECT_TRUE(judge(id_, options).holds()) << "the refusal is recorded";
}

TEST_F(DeadLetters, AClaimWhoseIdAnotherUserHoldsIsGivenUpByReject) {
  const auto accepted = claim(id_, {1});
  const std::vector<postgres::SettleClaim> conflicting = {{id_, 1, accepted[0].claim.entry, 0, 99}};
  ASSERT_TRUE(postgres::settle_claims(pg(), conflicting));
  bury(accepted);
  EXPECT_EQ(reject().handled, 1);
  ReconcileOptions options;
  options.fix = true;
  const auto mended = reconcile(redis(), pg(), id_, options);
  ASSERT_TRUE(mended);
  EXPECT_EQ(mended->suspect, 1) << "it marked the coupon, so the reconciler would have come by itself";
  expect_sound(id_);
}

TEST_F(DeadLetters, EntriesInFlightAreReplayedButNotTheDead) {
  claim(id_, {1});
  claim(id_, {2});
  bury(claim(id_, {3}));
  const auto replayed = replay_entries(redis(), amqp(), id_);
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->published, 2);
  expect_depths(2, 1);
  const auto again = replay_entries(redis(), amqp(), id_);
  ASSERT_TRUE(again);
  EXPECT_EQ(consume(), 4);
  EXPECT_EQ(stock(id_), 7);
  expect_sound(id_);
}

TEST_F(DeadLetters, WithoutAQueueTheyStay) {
  bury(claim(id_, {1}));
  ASSERT_TRUE(amqp().delete_queue(amqp::kQueue));
  const auto report = replay();
  EXPECT_EQ(report.handled, 0);
  EXPECT_EQ(report.left, 1);
  ASSERT_TRUE(amqp::declare_topology(amqp()));
  expect_depths(0, 1);
  EXPECT_EQ(replay().handled, 1);
  EXPECT_EQ(consume(), 1);
  expect_sound(id_);
}

}  // namespace
}  // namespace flashclaim::operations
