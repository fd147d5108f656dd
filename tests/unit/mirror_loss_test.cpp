// When a message is believed to be gone: against a queue that is played through, with every message accounted for.
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <set>

#include "engine/mirror/loss.h"

namespace flashclaim::mirror {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kCoupon = 42;
constexpr milliseconds kGrace(60'000);
constexpr milliseconds kLook(5'000);

/// One coupon, one queue, in played time. An entry's id is its place in the order of publication.
class PlayedQueue {
 public:
  void publish(int entries) {
    for (int i = 0; i < entries; ++i) publish_one();
  }
  /// Takes from the front and finishes.
  void consume(int messages) {
    for (; messages > 0 && !queue_.empty(); --messages, queue_.pop_front()) finish(queue_.front());
  }
  /// Takes from the front and keeps in hand.
  void hold(int messages) {
    for (; messages > 0 && !queue_.empty(); --messages, queue_.pop_front()) held_.push_back(queue_.front());
  }
  void lose_front() { queue_.pop_front(); }
  void lose_at(std::size_t place) { queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(place)); }
  void lose_all() { queue_.clear(); }
  void finish_held() {
    for (auto entry : held_) finish(entry);
    held_.clear();
  }
  /// The consumer dies: what it held is at the front again.
  void give_back() {
    for (; !held_.empty(); held_.pop_back()) queue_.push_front(held_.back());
  }

  /// The mirror's round: the question, then the look. What is due goes to the back of the queue, as it would.
  std::size_t look(milliseconds passes = kLook) {
    now_ += passes;
    if (judge_.wants_to_hear()) judge_.hear(queue_.empty(), consumed_, now_, now_);
    Depth depth{kCoupon, true, static_cast<std::int64_t>(unfinished_.size()), 0, 0, {last_, 0}, {}, {finished_, 0}};
    if (!unfinished_.empty()) depth.oldest = EntryId{*unfinished_.begin(), 0};
    judge_.look(depth, now_, now_);
    const auto due = judge_.due(kCoupon, now_);
    if (!due) return 0;
    std::size_t published = 0;
    for (auto entry : unfinished_)
      if (EntryId{entry, 0} >= due->first && EntryId{entry, 0} <= due->last) {
        queue_.push_back(entry);
        ++published;
      }
    judge_.swept(kCoupon, *due, published, now_);
    return published;
  }
  std::size_t looks(int rounds) {
    std::size_t published = 0;
    for (; rounds > 0; --rounds) published += look();
    return published;
  }

  LossJudge judge_{{kGrace, milliseconds(3'600'000)}};
  Clock::time_point now_{milliseconds(1'000'000)};
  std::deque<std::int64_t> queue_;
  std::set<std::int64_t> unfinished_;
  bool consumed_ = true;

 private:
  void publish_one() {
    unfinished_.insert(++last_);
    queue_.push_back(last_);
  }
  void finish(std::int64_t entry) {
    if (unfinished_.erase(entry) > 0) finished_ = std::max(finished_, entry);
  }

  std::deque<std::int64_t> held_;
  std::int64_t last_ = 0;
  std::int64_t finished_ = 0;
};

TEST(LossJudge, BelievesNothingLostForItsAgeAlone) {
  PlayedQueue played;
  for (int hour = 0; hour < 3; ++hour) {
    played.publish(1000);
    played.consumed_ = hour > 0;  // nobody consumes, then somebody who does not get on
    EXPECT_EQ(played.looks(720), 0u);
  }
  // The backlog is worked off, slower than anything is patient, while more comes in.
  played.consumed_ = true;
  while (!played.queue_.empty()) {
    played.consume(15);
    played.publish(played.unfinished_.size() > 2000 ? 5 : 0);
    EXPECT_EQ(played.look(), 0u);
  }
  EXPECT_TRUE(played.unfinished_.empty());
}

TEST(LossJudge, AnEmptyQueueWithConsumersTellsOfALoss) {
  PlayedQueue played;
  played.publish(100);
  played.looks(3);
  played.lose_all();
  EXPECT_EQ(played.looks(12), 0u) << "the grace";
  EXPECT_EQ(played.looks(4), 100u);
  played.consume(100);
  EXPECT_EQ(played.looks(100), 0u);
}

TEST(LossJudge, WithoutAConsumerAnEmptyQueueTellsNothing) {
  PlayedQueue played;
  played.publish(10);
  played.hold(10);
  played.consumed_ = false;
  EXPECT_EQ(played.looks(1000), 0u);
  played.give_back();
  played.consumed_ = true;
  played.looks(3);
  played.consume(10);
  EXPECT_EQ(played.looks(100), 0u);
}

TEST(LossJudge, OneThatLaterOnesOvertookIsLostThoughTheQueueIsNeverEmpty) {
  PlayedQueue played;
  played.publish(400);
  played.lose_at(150);
  std::size_t published = 0;
  for (int round = 0; round < 200; ++round) {
    played.consume(10);
    played.publish(10);
    published += played.look();
    ASSERT_FALSE(played.queue_.empty());
  }
  EXPECT_EQ(published, 1u);
  EXPECT_EQ(played.unfinished_.count(151), 0u);
}

TEST(LossJudge, WhatAConsumerHoldsIsSentAgainAtDoublingIntervalsOnly) {
  PlayedQueue played;
  played.publish(5);
  played.hold(5);
  std::vector<int> rounds;
  for (int round = 0; round < 720 * 8; ++round) {
    if (played.look() > 0) rounds.push_back(round);
    played.hold(5);
  }
  ASSERT_GE(rounds.size(), 6u);
  EXPECT_LE(rounds.size(), 14u) << "eight hours: 1, 2, 4 ... 60, 60 minutes";
  for (std::size_t i = 2; i < 6; ++i) EXPECT_GT(rounds[i] - rounds[i - 1], rounds[i - 1] - rounds[i - 2]);
}

TEST(LossJudge, WhatIsLostLaterDoesNotWaitForTheDoublingOfWhatIsHeld) {
  PlayedQueue played;
  played.publish(5);
  played.hold(5);
  for (int round = 0; round < 300; ++round) {
    played.look();
    played.hold(5);
  }
  played.publish(1);
  played.lose_front();
  EXPECT_EQ(played.looks(40), 1u);
}

TEST(LossJudge, ABrokerThatWasAwayMayHaveEverythingInItsQueueAgain) {
  PlayedQueue played;
  played.publish(10);
  played.hold(10);
  played.looks(8);
  played.judge_.deliveries_may_be_back(played.now_);
  played.give_back();
  EXPECT_EQ(played.looks(100), 0u);
  played.consume(10);
  EXPECT_EQ(played.looks(100), 0u);
}

// Random worlds. Without a loss nothing is published again, whatever the length of the queue; a lost message is, and
// only those that are.
TEST(LossJudge, SendsExactlyTheLostOnesInRandomWorlds) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    PlayedQueue played;
    std::size_t lost = 0;
    std::size_t published = 0;
    const bool lossy = seed % 2 == 0;
    for (int round = 0; round < 400; ++round) {
      played.publish(static_cast<int>(random() % 20));
      if (random() % 3 == 0) played.hold(static_cast<int>(random() % 5));
      played.consume(static_cast<int>(random() % 21));
      if (lossy && !played.queue_.empty() && random() % 40 == 0) {
        // Not one of those that were published again: their copy may be the only one.
        played.lose_at(random() % played.queue_.size());
        ++lost;
      }
      if (round % 5 == 0) played.finish_held();  // sooner than the grace
      published += played.look();
    }
    played.finish_held();
    for (int round = 0; round < 400 && !played.unfinished_.empty(); ++round) {
      played.consume(30);
      published += played.look();
    }
    EXPECT_TRUE(played.unfinished_.empty()) << "seed " << seed;
    if (!lossy) {
      EXPECT_EQ(published, 0u) << "seed " << seed;
    }
    EXPECT_LE(published, 2 * lost + 1) << "seed " << seed;
  }
}

}  // namespace
}  // namespace flashclaim::mirror
