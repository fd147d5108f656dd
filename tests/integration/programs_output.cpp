// A result that could not be written is none: every program of ours says so and fails.
#include <gtest/gtest.h>

#include "tests/harness/paths.h"
#include "tests/harness/whole_path.h"
#include "tests/integration/admin_flashctl.h"

namespace flashclaim {
namespace {

/// One line of a shell that finds our programs, with stdout to a device that is full.
harness::Finished into_full(const std::string& line, harness::Environment environment) {
  environment["PATH"] = harness::bin_dir() + ":/usr/bin:/bin";
  return harness::run_program("/bin/bash", {"-c", line + " >/dev/full"}, environment);
}

TEST(FullDisk, FailsEveryHelp) {
  for (const char* line : {"flashctl help", "flashctl --help", "flashctl coupon --help", "flashctl coupon show --help",
                           "flashctl completion bash", "flashctl access users", "flashctl access users --output json",
                           "flashbench help", "flashbench --help", "flashbench load --help", "flashbench replay -h",
                           "flashclaim-engine --help", "flashclaim-consumer --help"}) {
    const auto full = into_full(line, {});
    EXPECT_EQ(full.exit_code, 1) << line << full.err;
    EXPECT_NE(full.err.find("could not be written"), std::string::npos) << line << ": " << full.err;
    const auto closed = harness::run_program("/bin/bash", {"-c", std::string(line) + " >&-"},
                                             {{"PATH", harness::bin_dir() + ":/usr/bin:/bin"}});
    EXPECT_NE(closed.exit_code, 0) << line;
    const auto fine =
        harness::run_program("/bin/bash", {"-c", line}, {{"PATH", harness::bin_dir() + ":/usr/bin:/bin"}});
    EXPECT_EQ(fine.exit_code, 0) << line << fine.err;
  }
}

TEST(ClosedPipe, EndsNoProgramBySignal) {
  for (const char* line : {"flashctl access users", "flashctl help", "flashbench help"}) {
    const std::string late = "{ sleep 0.3; " + std::string(line) + "; echo \"exit $?\" >&2; } | true";
    const auto unread =
        harness::run_program("/bin/bash", {"-c", late}, {{"PATH", harness::bin_dir() + ":/usr/bin:/bin"}});
    EXPECT_NE(unread.err.find("could not be written to stdout: Broken pipe"), std::string::npos) << unread.err;
    EXPECT_NE(unread.err.find("exit 1\n"), std::string::npos) << unread.err;
  }
}

TEST(LogLevelWord, ThatIsNoneSilencesNothingAndIsNamed) {
  const auto said = [](const std::string& word) {
    return harness::run_program("/bin/bash", {"-c", "flashctl access users"},
                                {{"PATH", harness::bin_dir() + ":/usr/bin:/bin"}, {"FLASHCLAIM_LOG", word}})
        .err;
  };
  for (const char* none : {"verbose", "WARN", "3"})
    EXPECT_NE(said(none).find("event=unknown_level FLASHCLAIM_LOG=" + std::string(none)), std::string::npos) << none;
  for (const char* word : {"", "debug", "info", "warn", "error", "off"}) EXPECT_EQ(said(word), "") << word;
}

class BenchPath : public WholePath {
 protected:
  harness::Environment with_engine() {
    harness::Environment environment = environment_;
    environment["HTTP_URL"] = "http://127.0.0.1:" + std::to_string(http_port_);
    return environment;
  }
  harness::Finished load(const std::string& more) {
    harness::Environment environment = with_engine();
    environment["PATH"] = harness::bin_dir() + ":/usr/bin:/bin";
    return harness::run_program(
        "/bin/bash", {"-c", "flashbench load --rate 200 --seconds 0.5 --warmup 0 --quiet --output json " + more},
        environment);
  }
};

TEST_F(BenchPath, LoadFailsWhereItsReportCannotBeWritten) {
  engine_ = engine();
  const auto coupon = std::to_string(open_coupon(1000, 1));
  ASSERT_TRUE(wait_until([&] { return claim(std::stoll(coupon), 1'000'000).status == 202; }));
  const auto good = load("--coupon " + coupon);
  EXPECT_EQ(good.exit_code, 0) << good.out << good.err;
  const auto full = load("--coupon " + coupon + " >/dev/full");
  EXPECT_EQ(full.exit_code, 1) << full.err;
  EXPECT_NE(full.err.find("could not be written"), std::string::npos) << full.err;
}

TEST_F(BenchPath, LoadOnACouponThatDoesNotExistHasNotPassed) {
  engine_ = engine();
  const auto coupon = open_coupon(10, 1);
  ASSERT_TRUE(wait_until([&] { return claim(coupon, 1).status == 202; }));
  const auto nobodys = load("--coupon 999999");
  EXPECT_EQ(nobodys.exit_code, 1);
  EXPECT_NE(nobodys.out.find("\"passed\":false"), std::string::npos) << nobodys.out;
  EXPECT_NE(nobodys.err.find("COUPON_NOT_FOUND"), std::string::npos) << nobodys.err;
  const auto sold_out = load("--coupon " + std::to_string(coupon));
  EXPECT_EQ(sold_out.exit_code, 0) << "a refusal by the coupon's rules is an honest answer: " << sold_out.err;
}

}  // namespace
}  // namespace flashclaim

namespace flashclaim::operations {
namespace {

TEST_F(Flashctl, ASelectorThatSelectsNothingIsNotFound) {
  declare();
  const auto id = std::to_string(issue(10));
  for (const char* verb : {"list", "replay", "reject"}) {
    const std::vector<std::string> yes =
        std::string(verb) == "list" ? std::vector<std::string>{} : std::vector<std::string>{"--yes"};
    const auto with = [&](std::vector<std::string> words) {
      words.insert(words.begin(), {"dlq", verb});
      words.insert(words.end(), yes.begin(), yes.end());
      return words;
    };
    expect_exit(3, with({"--entry", "1795380024805-0"}));
    EXPECT_NE(last_.err.find("1795380024805-0"), std::string::npos) << last_.err;
    expect_exit(3, with({"--entry", "1795380024805-0", "--coupon", id}));
    expect_exit(3, with({"--coupon", "999"}));
    EXPECT_NE(last_.err.find("999"), std::string::npos) << last_.err;
    expect_exit(0, with({"--coupon", id}));  // nothing to do is no failure
    expect_exit(0, with({}));
  }
  expect_exit(3, {"dlq", "replay", "--entry", "1795380024805-0", "--dry-run"});
  expect_exit(3, {"mirror", "replay", "999", "--yes"});
  expect_exit(3, {"mirror", "replay", "999", "--dry-run"});
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"coupon", "show", "999"},
                                             {"coupon", "pause", "999"},
                                             {"coupon", "resume", "999"},
                                             {"coupon", "end", "999", "--yes"},
                                             {"coupon", "publish", "999"},
                                             {"coupon", "purge", "999", "--yes"},
                                             {"coupon", "update", "999", "--total", "5", "--yes"},
                                             {"check", "999"},
                                             {"reconcile", "999"},
                                             {"reconcile", "999", "--fix", "--yes"},
                                             {"rebuild", "999", "--yes"},
                                             {"claim", "show", "999-1-1-0-0"}})
    expect_exit(3, words);
}

/// A claim that is settled and not yet finished stands in both stores: that is no difference.
TEST_F(Flashctl, StatusCallsOnlyADifferenceWhatIsOneForSure) {
  declare();
  const auto id = issue(10);
  const auto difference = [&] {
    expect_exit(0, {"status", "--output", "json"});
    return json(last_.out, "coupons,0,difference");
  };
  EXPECT_EQ(difference(), "0");
  for (const Acknowledged& claimed : claim(id, {1, 2, 3})) {
    EXPECT_EQ(difference(), "") << "whether it has its row cannot be seen from here";
    const postgres::SettleClaim row{id, claimed.claim.epoch, claimed.claim.entry, claimed.claim.index, claimed.user_id};
    ASSERT_TRUE(postgres::settle_claims(pg(), std::vector{row}));
  }
  EXPECT_EQ(difference(), "") << "3 rows, and their entry is in flight still";
  settle(id);
  EXPECT_EQ(difference(), "0");
  redis_raw({"INCRBY", redis::CouponKeys(id).stock, "-2"});
  EXPECT_EQ(difference(), "-2");
  claim(id, {4});
  redis_raw({"INCRBY", redis::CouponKeys(id).stock, "7"});
  EXPECT_EQ(difference(), "4") << "5 too many or 4, for sure at least 4";
}

TEST_F(Flashctl, ANameThatTurnsTheTextAroundDoesNotTurnTheTable) {
  declare();
  const std::string name = "Sale \u202e001 gnissi";
  expect_exit(2, {"coupon", "create", "--id", "42", "--name", name, "--total", "10", "--end", "+1h"});
  EXPECT_EQ((last_.out + last_.err).find("\u202e"), std::string::npos) << last_.out << last_.err;
  expect_exit(0, {"coupon", "create", "--id", "42", "--name", "Sale", "--total", "10", "--end", "+1h"});
  (void)sql("UPDATE coupon SET name = '" + name + "'");  // of an earlier version
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"coupon", "publish", "42"},
                                             {"coupon", "list"},
                                             {"coupon", "show", "42"},
                                             {"status"},
                                             {"coupon", "list", "--output", "json"},
                                             {"coupon", "show", "42", "--output", "json"}}) {
    expect_exit(0, words);
    EXPECT_EQ((last_.out + last_.err).find("\u202e"), std::string::npos) << last_.out << last_.err;
  }
  EXPECT_EQ(json(last_.out, "name"), name) << "JSON is exact";
}

}  // namespace
}  // namespace flashclaim::operations
