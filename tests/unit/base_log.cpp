// The log: an error that comes with every request is one line a second with a count, and a link says each reason once.
#include <gtest/gtest.h>

#include <sstream>
#include <thread>

#include "engine/base/link_log.h"
#include "engine/base/log_repeated.h"

namespace flashclaim {
namespace {

struct Line {
  std::string text;
  int times = 1;
};

class RepeatedLog : public ::testing::Test {
 protected:
  void SetUp() override { testing::internal::CaptureStdout(); }
  /// The lines of the event since the beginning of the test, or since the last call.
  static std::vector<Line> lines(const std::string& event) {
    std::istringstream log(testing::internal::GetCapturedStdout());
    testing::internal::CaptureStdout();
    std::vector<Line> found;
    for (std::string text; std::getline(log, text);) {
      if (text.find("event=" + event) == std::string::npos) continue;
      const auto at = text.find(" times=");
      found.push_back({text, at == std::string::npos ? 1 : std::stoi(text.substr(at + 7))});
    }
    return found;
  }
  void TearDown() override { testing::internal::GetCapturedStdout(); }
};

TEST_F(RepeatedLog, IsOneLineASecondWithACount) {
  using Clock = std::chrono::steady_clock;
  const auto began = Clock::now();
  int said = 0;
  for (; Clock::now() - began < std::chrono::milliseconds(2500); ++said) {
    log_repeated(LogLevel::kError, "unit", "each_request", {{"n", said}});
    if (said % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  flush_repeated(true);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(Clock::now() - began).count();
  const auto all = lines("each_request");
  ASSERT_FALSE(all.empty());
  EXPECT_NE(all.front().text.find(" n=0"), std::string::npos) << "the first is told at once";
  EXPECT_LE(static_cast<std::int64_t>(all.size()), seconds + 2);
  int counted = 0;
  for (const Line& line : all) counted += line.times;
  EXPECT_EQ(counted, said);
  EXPECT_GT(said, static_cast<int>(all.size()) * 10);
}

TEST_F(RepeatedLog, ForgetsNobodyWhenTheErrorsEnd) {
  for (int i = 0; i < 5; ++i) log_repeated(LogLevel::kWarn, "unit", "burst", {{"n", i}});
  log_repeated(LogLevel::kWarn, "unit", "another", {});
  EXPECT_EQ(lines("burst").size(), 1u);
  flush_repeated();  // it is not a second old
  EXPECT_TRUE(lines("burst").empty());
  flush_repeated(true);
  const auto late = lines("burst");
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late.front().times, 4);
  EXPECT_NE(late.front().text.find(" n=1"), std::string::npos) << late.front().text;
  flush_repeated(true);
  EXPECT_TRUE(lines("burst").empty());
}

TEST(LinkLogTest, SaysEachReasonOnceUntilTheLinkHolds) {
  LinkLog told;
  EXPECT_TRUE(told.connected());
  EXPECT_TRUE(told.lost("READONLY"));
  EXPECT_FALSE(told.lost("READONLY"));
  EXPECT_TRUE(told.connected());
  EXPECT_FALSE(told.lost("READONLY"));
  EXPECT_FALSE(told.connected());
  EXPECT_TRUE(told.lost("refused"));
  EXPECT_TRUE(told.connected());
  told.proven();
  EXPECT_TRUE(told.lost("refused"));
}

}  // namespace
}  // namespace flashclaim
