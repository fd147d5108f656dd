// The window of unconfirmed publishes: every publish is decided exactly once, whatever the broker's answers look like.
#include <gtest/gtest.h>

#include "engine/mirror/window.h"

namespace flashclaim::mirror {
namespace {

std::vector<std::int64_t> entries(const std::vector<Published>& outcomes, bool taken) {
  std::vector<std::int64_t> out;
  for (const Published& published : outcomes)
    if (published.taken == taken) out.push_back(published.entry.ms);
  return out;
}

class MirrorWindow : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 1; i <= 5; ++i) window_.add(static_cast<std::uint64_t>(i), 42, {i, 0}, Purpose::kPending);
  }
  std::vector<std::int64_t> taken() const { return entries(outcomes_, true); }
  std::vector<std::int64_t> refused() const { return entries(outcomes_, false); }
  using Entries = std::vector<std::int64_t>;

  Window window_;
  std::vector<Published> outcomes_;
};

TEST_F(MirrorWindow, AnAckForOneDecidesOne) {
  window_.answer({3, false, true}, outcomes_);
  EXPECT_EQ(taken(), Entries({3}));
  EXPECT_EQ(window_.size(), 4u);
}

TEST_F(MirrorWindow, AnAckForManyDecidesAllBeforeItThatAreStillOpen) {
  window_.answer({2, false, true}, outcomes_);
  window_.answer({4, true, true}, outcomes_);
  EXPECT_EQ(taken(), Entries({2, 1, 3, 4}));
  EXPECT_EQ(window_.size(), 1u);
}

TEST_F(MirrorWindow, ANackForManyRefusesThem) {
  window_.answer({1, false, true}, outcomes_);
  window_.answer({3, true, false}, outcomes_);
  EXPECT_EQ(taken(), Entries({1}));
  EXPECT_EQ(refused(), Entries({2, 3}));
}

TEST_F(MirrorWindow, AReturnedMessageIsRefusedAlthoughItsAckFollows) {
  EXPECT_TRUE(window_.mark_returned("42-1-2-0"));
  window_.answer({5, true, true}, outcomes_);
  EXPECT_EQ(taken(), Entries({1, 3, 4, 5}));
  EXPECT_EQ(refused(), Entries({2}));
}

TEST_F(MirrorWindow, TwoPublishesOfOneEntryComeBackOneByOne) {
  window_.add(6, 42, {2, 0}, Purpose::kOld);
  EXPECT_TRUE(window_.mark_returned("42-1-2-0"));
  EXPECT_TRUE(window_.mark_returned("42-1-2-0"));
  EXPECT_FALSE(window_.mark_returned("42-1-2-0"));
  window_.answer({6, true, true}, outcomes_);
  EXPECT_EQ(refused(), Entries({2, 2}));
}

TEST_F(MirrorWindow, AForeignReturnOrAnswerChangesNothing) {
  EXPECT_FALSE(window_.mark_returned("43-1-2-0"));
  EXPECT_FALSE(window_.mark_returned("42-1-9-0"));
  EXPECT_FALSE(window_.mark_returned("nonsense"));
  window_.answer({0, true, true}, outcomes_);
  window_.answer({6, true, true}, outcomes_);
  EXPECT_TRUE(outcomes_.empty());
  window_.answer({2, true, true}, outcomes_);
  window_.answer({1, true, true}, outcomes_);
  window_.answer({2, false, false}, outcomes_);
  EXPECT_EQ(outcomes_.size(), 2u);
}

TEST_F(MirrorWindow, TheEndOfAConnectionRefusesWhatIsOpenAndBeginsAnew) {
  window_.answer({2, false, true}, outcomes_);
  window_.clear(outcomes_);
  EXPECT_EQ(refused(), Entries({1, 3, 4, 5}));
  EXPECT_EQ(window_.size(), 0u);
  window_.add(1, 42, {9, 0}, Purpose::kOld);
  outcomes_.clear();
  window_.answer({1, true, true}, outcomes_);
  ASSERT_EQ(taken(), Entries({9}));
  EXPECT_EQ(outcomes_[0].purpose, Purpose::kOld);
}

}  // namespace
}  // namespace flashclaim::mirror
