// The witness itself: what nobody announced fails the test in which it is read, wherever it was written.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>

#include "engine/base/log.h"
#include "engine/redis/client.h"
#include "tests/harness/folder.h"
#include "tests/harness/logins.h"
#include "tests/harness/process.h"
#include "tests/harness/services.h"
#include "tests/harness/witness.h"

namespace flashclaim::harness {
namespace {

constexpr const char* kUnannounced = "nobody announced this";

/// One connection of this role asks for what it may not have.
void ask_redis(const PrivateRedis& redis) {
  auto client = redis::Client::connect(as("engine", redis.url()), redis::Milliseconds(60000));
  ASSERT_TRUE(client);
  EXPECT_FALSE(redis::ok(client->command({"FLUSHALL"})));
}
void ask_postgres() {
  static const std::string kDatabase = PrivatePostgres::shared().migrated_database();
  (void)run_program("/usr/bin/psql", {"-qXAtc", "DELETE FROM user_coupon", as("engine", kDatabase)});
}

/// What a process that is asked to by this variable does inside its test.
void provoke(const std::string& what) {
  if (what == "announced") announce_error("house_on_fire");
  if (what == "announced" || what == "in the test") log(LogLevel::kError, "test", "house_on_fire", {});
  if (what == "late, by the broker") {
    const std::string broker = run_folder() + "/rabbitmq.log";
    watch_server(broker);
    (void)run_program("/bin/sh", {"-c", "(sleep 1; echo access_refused >\"$0\") &", broker});
  }
  if (what == "at the end of the process") {
    struct AtTheEnd {
      ~AtTheEnd() { judge_output("a program", "ts=1 level=error event=house_on_fire\n"); }
    };
    static const AtTheEnd kLater;
  }
}

// The whole of it: this test once more, in a process of its own.
TEST(Witness, FailsWhatAnnouncedNothingHoweverLateItIs) {
  constexpr const char* kAsked = "WITNESS_PROVOKES";
  if (const char* what = std::getenv(kAsked)) return provoke(what);
  const std::string name = std::string("Witness.") + ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const auto run = [&](const std::string& what) {
    return run_program("/proc/self/exe", {"--gtest_filter=" + name, "--gtest_color=no"},
                       {{kAsked, what}, {"GTEST_TOTAL_SHARDS", "1"}, {"GTEST_SHARD_INDEX", "0"}});
  };
  const std::string failed = "[  FAILED  ] " + name + " (";
  for (const char* what : {"nothing", "announced"}) EXPECT_EQ(run(what).exit_code, 0) << what;
  for (const char* what : {"in the test", "late, by the broker", "at the end of the process"}) {
    const auto ended = run(what);
    EXPECT_EQ(ended.exit_code, 1) << what;
    EXPECT_NE(ended.out.find(kUnannounced), std::string::npos) << ended.out;
    EXPECT_EQ(ended.out.find(failed) != std::string::npos, what == std::string("in the test")) << ended.out;
  }
}

TEST(Witness, HearsTheRoomsOfThisProcess) {
  log(LogLevel::kError, "test", "house_on_fire", {});
  EXPECT_NONFATAL_FAILURE(look_at_everything(), "house_on_fire");
  log(LogLevel::kWarn, "test", "smoke", {});
  look_at_everything();
}

TEST(Witness, ReadsAProgramToItsEndHoweverLateItWrites) {
  auto program =
      std::make_unique<Process>("/bin/sh", std::vector<std::string>{"-c", "echo 'ts=1 level=error event=late'"});
  program->wait();
  EXPECT_NONFATAL_FAILURE(program.reset(), "event=late");
  EXPECT_NONFATAL_FAILURE(
      (void)run_program("/bin/sh", {"-c", R"(echo '{"ts":1,"level":"error","event":"later"}' >&2)"}), "later");
  EXPECT_NONFATAL_FAILURE((void)run_program("/bin/sh", {"-c", "echo 'ts=1 level=warn error=\"NOPERM x\"' >&2"}),
                          "NOPERM");
  const Process quiet("/bin/sh", {"-c", "echo 'ts=1 level=warn event=smoke'"});
}

TEST(Witness, SeesWhatEachServerDenies) {
  PrivateRedis redis;
  ask_redis(redis);
  EXPECT_NONFATAL_FAILURE(look_at_everything(), "NOPERM engine: command flushall");
  ask_redis(redis);
  EXPECT_NONFATAL_FAILURE(redis.kill(), "NOPERM engine: command flushall");  // before what it knows is gone
  EXPECT_NONFATAL_FAILURE(ask_postgres(), "permission denied for table user_coupon");
  EXPECT_NONFATAL_FAILURE(look_at_everything(), "permission denied for table user_coupon");
  const std::string log = run_folder() + "/rabbitmq.log";
  watch_server(log);
  std::ofstream(log) << "2026-11-30 [error] <0.1.0> operation queue.delete caused a channel exception access_refused\n";
  EXPECT_NONFATAL_FAILURE(look_at_everything(), "access_refused");
  forget_server(log);
}

TEST(Witness, LetsPassWhatIsAnnouncedAndNothingElse) {
  announce_error("house_on_fire");
  announce_denial("NOPERM engine: command flushall");
  PrivateRedis redis;
  ask_redis(redis);
  log(LogLevel::kError, "test", "house_on_fire", {});
  look_at_everything();
  log(LogLevel::kError, "test", "flood", {});
  EXPECT_NONFATAL_FAILURE(look_at_everything(), "flood");
}

TEST(Witness, TellsItsFindingsToWhoeverWantsThem) {
  std::string found;
  tell_findings_to([&](const std::string&, const std::string& line) { found += line; });
  log(LogLevel::kError, "test", "siren", {});
  look_at_everything();
  tell_findings_to(nullptr);
  EXPECT_NE(found.find("siren"), std::string::npos);
}

}  // namespace
}  // namespace flashclaim::harness
