// The test harness itself: private services, restarts with data, and nothing left when the test process is gone.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "tests/harness/folder.h"
#include "tests/harness/process.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim::harness {
namespace {

TEST(PrivateServices, RedisKeepsItsDataThroughAKill) {
  PrivateRedis redis;
  EXPECT_EQ(redis.cli({"SET", "a", "1"}), "OK\n");
  redis.kill();
  EXPECT_EQ(redis.pid(), -1);
  redis.start();
  EXPECT_EQ(redis.cli({"GET", "a"}), "1\n");
  redis.flush();
  EXPECT_EQ(redis.cli({"DBSIZE"}), "0\n");
}

TEST(PrivateServices, PostgresKeepsItsDataThroughAKill) {
  PrivatePostgres postgres;
  const std::string url = postgres.fresh_database();
  EXPECT_EQ(run_program("/usr/bin/psql", {"-qc", "CREATE TABLE t (n int); INSERT INTO t VALUES (7)", url}).exit_code,
            0);
  postgres.kill();
  postgres.start();
  EXPECT_EQ(run_program("/usr/bin/psql", {"-Atc", "SELECT n FROM t", url}).out, "7\n");
}

TEST(PrivateServices, RabbitGivesEveryTestAVhostOfItsOwn) {
  auto& rabbit = PrivateRabbit::shared();
  const std::string first = rabbit.fresh_vhost();
  const std::string second = rabbit.fresh_vhost();
  EXPECT_NE(first, second);
  EXPECT_GT(rabbit.pid(), 0);
}

TEST(Process, EndsWithItsObjectAndReportsTheSignal) {
  Process sleeper("/bin/sleep", {"1000"});
  EXPECT_TRUE(sleeper.running());
  sleeper.signal(SIGTERM);
  EXPECT_EQ(sleeper.wait(), 128 + SIGTERM);
}

TEST(Process, ThatDoesNotExistIsSaidSo) { EXPECT_THROW(Process("/no/such/program", {}), std::runtime_error); }

TEST(RunProgram, GivesInputAndReturnsBothOutputs) {
  const Finished finished = run_program("/bin/sh", {"-c", "cat; echo problem >&2; exit 3"}, {}, "hello");
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_EQ(finished.out, "hello");
  EXPECT_EQ(finished.err, "problem\n");
}

}  // namespace
}  // namespace flashclaim::harness
