// The queue before the threads that ask PostgreSQL: its bound, and that every question is answered once.
#include <gtest/gtest.h>

#include "engine/archive/pool.h"
#include "engine/loop/loop.h"
#include "tests/harness/gate.h"
#include "tests/harness/logins.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim::archive {
namespace {

using harness::wait_until;

class ArchivePool : public testing::Test {
 protected:
  ArchivePool() : gate_(harness::PrivatePostgres::shared().port()) {
    url_ = harness::as("engine", gate_.through(harness::PrivatePostgres::shared().migrated_database()));
    inbox_ = std::make_shared<Inbox>(loop_, [this](const ArchiveReply& answer) {
      ++answers_;
      if (answer.problem == http::Problem::kBusy) ++busy_;
      if (answer.problem == http::Problem::kNotReady) ++not_ready_;
      if (answer.problem == http::Problem::kClaimNotFound) ++not_found_;
      if (!answer.problem) ++bodies_;
    });
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~ArchivePool() override {
    loop_.stop();
    thread_.join();
    inbox_->close();
  }
  std::unique_ptr<Pool> pool(int threads = 1) {
    auto started = Pool::start({.pg_url = url_, .threads = threads});
    EXPECT_TRUE(started);
    return std::move(*started);
  }
  void ask(Pool& pool, int times) {
    for (int i = 0; i < times; ++i) {
      pool.ask({{}, inbox_, 7, ClaimId{1, 1, {1000, i}, 0}, loop::now_ms()});
      EXPECT_LE(pool.counters().waiting.load(), 1024u);
    }
  }

  harness::Gate gate_;
  std::string url_;
  loop::Loop loop_;
  std::shared_ptr<Inbox> inbox_;
  std::thread thread_;
  std::atomic<int> answers_{0};
  std::atomic<int> busy_{0};
  std::atomic<int> not_ready_{0};
  std::atomic<int> not_found_{0};
  std::atomic<int> bodies_{0};
};

TEST_F(ArchivePool, KeepsItsBoundAndAnswersEveryQuestionOnce) {
  auto asked = pool();
  ASSERT_TRUE(wait_until([&] { return asked->counters().connected.load() == 1; }));
  gate_.set(harness::GateMode::kStall);
  ask(*asked, 10'000);
  ASSERT_TRUE(wait_until([&] { return answers_ == 10'000; }));
  EXPECT_EQ(busy_ + not_ready_, 10'000);
  EXPECT_GE(asked->counters().full.load(), 1u);
  EXPECT_EQ(asked->counters().waiting.load(), 0u);
  gate_.pass();
  ASSERT_TRUE(wait_until([&] { return asked->counters().connected.load() == 1; }));
  ask(*asked, 500);
  ASSERT_TRUE(wait_until([&] { return answers_ == 10'500; }));
  EXPECT_EQ(not_found_, 500);
}

TEST_F(ArchivePool, AnswersWhatStillWaitsWhenItEnds) {
  gate_.set(harness::GateMode::kStall);
  auto asked = pool(2);
  ask(*asked, 1000);
  asked.reset();
  EXPECT_TRUE(wait_until([&] { return answers_ == 1000; }));
  EXPECT_EQ(busy_ + not_ready_, 1000);
}

TEST_F(ArchivePool, SurvivesEveryCutOfItsConnection) {
  auto asked = pool(2);
  int total = 0;
  for (int cut = 1; cut <= 40; ++cut) {
    gate_.set(harness::GateMode::kCut, cut * 37);
    ask(*asked, 100);
    total += 100;
    ASSERT_TRUE(wait_until([&] { return answers_ == total; }));
  }
  EXPECT_EQ(not_found_ + not_ready_ + busy_, total);
  gate_.pass();
  ASSERT_TRUE(wait_until([&] { return asked->counters().connected.load() == 2; }));
  const int known = not_found_;
  ask(*asked, 100);
  ASSERT_TRUE(wait_until([&] { return answers_ == total + 100; }));
  EXPECT_EQ(not_found_, known + 100);
}

TEST_F(ArchivePool, AnswersNobodyAfterItsLoopIsGone) {
  auto asked = pool();
  gate_.set(harness::GateMode::kStall);
  ask(*asked, 50);
  inbox_->close();
  asked.reset();
  EXPECT_EQ(answers_, 0);
}

TEST_F(ArchivePool, RefusesAUrlThatIsNone) { EXPECT_FALSE(Pool::start({.pg_url = "no url"})); }

}  // namespace
}  // namespace flashclaim::archive
