// Damage that leaves every frame valid: a user id becomes another one. The checksum of entry or message catches it, and
// the claim ends as a right row.
#include <gtest/gtest.h>

#include <set>

#include "engine/amqp/topology.h"
#include "tests/harness/witness.h"
#include "tests/links/links.h"

namespace flashclaim::links {
namespace {

constexpr const char* kDead = "flashclaim_consumer_dead_letters_total{fault=\"undecodable\"}";
constexpr const char* kUndecodable = "flashclaim_consumer_retries_total{fault=\"undecodable\"}";

class DamageTest : public LinksTest {
 protected:
  /// Claims go on until `times` more bits were flipped on the link.
  void damage(Link link, const std::string& behind, int times) {
    const auto before = gate(link).damaged();
    gate(link).damage_after(behind);
    EXPECT_TRUE(wait_until([&] { return gate(link).damaged() >= before + times; })) << "nothing was damaged";
    gate(link).pass();
  }
  harness::Finished flashctl(const std::vector<std::string>& words, const std::set<int>& exits) {
    const auto ended = harness::run_program("flashctl", words, environment_);
    EXPECT_TRUE(exits.contains(ended.exit_code)) << ended.exit_code << ended.out << ended.err;
    return ended;
  }
  std::int64_t depth(std::string_view queue) { return amqp().queue_depth(queue).value(); }
};

TEST_F(DamageTest, OfAnEntryOnItsWayToTheMirrorHealsByReadingItAgain) {
  harness::announce_error("entry_damaged");
  const auto coupon = open_coupon(1'000'000, 5);
  const auto before = metric(Link::kMirrorRedis, "flashclaim_mirror_damaged_total");
  Witnesses witnesses(http_port_, coupon);
  damage(Link::kMirrorRedis, "\r\nu\r\n$10\r\n", 3);  // of an entry with a single user
  EXPECT_TRUE(wait_until([&] { return metric(Link::kMirrorRedis, "flashclaim_mirror_damaged_total") > before; }));
  expect_restored(witnesses, "entry damaged");
  EXPECT_EQ(depth(amqp::kDeadLetterQueue), 0);
}

TEST_F(DamageTest, OfAMessageOnItsWayToTheConsumerHealsByARetry) {
  // What the consumer puts into the retry queue is what it read: that copy stays damaged, and may die as a letter.
  harness::announce_error("dead_lettered");
  const auto coupon = open_coupon(1'000'000, 5);
  const auto before = metric(Link::kConsumerRabbit, kUndecodable);
  Witnesses witnesses(http_port_, coupon);
  damage(Link::kConsumerRabbit, "\"userId\":\"", 3);
  EXPECT_TRUE(wait_until([&] { return metric(Link::kConsumerRabbit, kUndecodable) > before; }));
  expect_restored(witnesses, "delivery damaged");
}

/// What the broker stored is damaged for good: retries cannot help. The entry in the stream is whole: the mirror sends
/// it again by its age, and an operator gets rid of the letters with one command.
TEST_F(DamageTest, OfAMessageOnItsWayToTheBrokerEndsInTheDeadLetterQueueAndIsReplayed) {
  harness::announce_error("dead_lettered");
  const auto coupon = open_coupon(1'000'000, 5);
  const auto retried = metric(Link::kConsumerRabbit, kUndecodable);
  const auto dead = metric(Link::kConsumerRabbit, kDead);
  Witnesses witnesses(http_port_, coupon);
  damage(Link::kMirrorRabbit, "\"userId\":\"", 3);
  EXPECT_TRUE(wait_until([&] {
    const auto letters = metric(Link::kConsumerRabbit, kDead) - dead;
    return letters > 0 && metric(Link::kConsumerRabbit, kUndecodable) - retried == 3 * letters;
  })) << "three retries for each, then the dead letter queue";
  EXPECT_GT(depth(amqp::kDeadLetterQueue), 0);
  // A letter that cannot be read and whose entry is finished by now is left to a person, who throws it away. The broker
  // takes a moment to put back what was only looked at.
  const auto replayed = flashctl({"dlq", "replay", "--yes", "--output=json"}, {0, 4});
  if (replayed.exit_code == 4) {
    const auto left = std::stoll(json_field(replayed.out, "left"));
    EXPECT_TRUE(wait_until([&] { return depth(amqp::kDeadLetterQueue) >= left; }));
    flashctl({"dlq", "reject", "--yes"}, {0});
  }
  expect_restored(witnesses, "message damaged");
  EXPECT_EQ(depth(amqp::kDeadLetterQueue), 0);
}

}  // namespace
}  // namespace flashclaim::links
