// Who may read what a stack keeps, and which secrets stand in the environment of which process.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "tests/startup/world.h"

namespace flashclaim {
namespace {

namespace fs = std::filesystem;

class StackSecrets : public StackTest {
 protected:
  static std::string of_process(int pid, const char* file) {
    return content_of("/proc/" + std::to_string(pid) + "/" + file);
  }
  /// The secrets that this program needs, by the names of their files.
  static std::set<std::string> needed_by(const std::string& program) {
    if (program.starts_with("flashclaim-engi"))
      return {"redis-engine", "redis-mirror", "rabbitmq-mirror", "postgres-engine"};
    if (program.starts_with("flashclaim-cons")) return {"redis-consumer", "rabbitmq-consumer", "postgres-consumer"};
    return {};
  }
};

TEST_F(StackSecrets, StandInTheEnvironmentOfTheProgramThatNeedsThemOnly) {
  const std::string callers = "a-secret-of-who-started-it";
  ASSERT_EQ(stack().make("down").exit_code, 0);
  up({{"PGPASSWORD", callers}, {"REDISCLI_AUTH", callers}, {"REDIS_URL", callers}, {"AMQP_URL", callers}});
  std::map<std::string, std::string> secrets{{"postgres superuser", content_of(stack().path("postgres/password"))},
                                             {"the cookie", content_of(stack().path("rabbitmq/.erlang.cookie"))},
                                             {"caller's", callers}};
  for (const auto& key : fs::directory_iterator(stack().path("keys")))
    secrets[key.path().filename().string()] = content_of(key.path().string());
  EXPECT_EQ(secrets.size(), 14U);
  std::set<std::string> seen;
  for (const int pid : processes_below(stack().path())) {
    const std::string program = of_process(pid, "comm");
    const std::string environment = of_process(pid, "environ");
    const std::string words = of_process(pid, "cmdline");
    const auto needed = needed_by(program);
    seen.insert(program);
    for (const auto& [name, secret] : secrets) {
      ASSERT_GE(secret.size(), 24U) << name;
      EXPECT_EQ(words.find(secret), std::string::npos) << program << " has " << name << " in its arguments";
      if (!needed.contains(name)) {
        EXPECT_EQ(environment.find(secret), std::string::npos) << program << " has " << name;
      }
    }
  }
  for (const char* program : {"redis-server", "beam.smp", "epmd", "postgres"}) EXPECT_TRUE(seen.contains(program));
}

TEST_F(StackSecrets, AreReadByNobodyElse) {
  const auto look = [](const fs::path& path) {
    struct stat about {};
    if (lstat(path.c_str(), &about) != 0) return;  // a file of a server that runs
    const std::string text = path.string();
    const bool of_postgres = text.starts_with(stack().path("postgres")) && geteuid() == 0;
    if (!S_ISLNK(about.st_mode)) {
      EXPECT_EQ(about.st_mode & (of_postgres ? 027 : 077), 0U) << path;
    }
    if (!text.starts_with(stack().path("postgres/data"))) {
      EXPECT_EQ(about.st_uid, geteuid()) << path;
    }
  };
  look(stack().path());
  std::error_code gone;
  for (fs::recursive_directory_iterator entry(stack().path()), end; entry != end; entry.increment(gone)) {
    if (entry->path() == stack().path("postgres/data")) entry.disable_recursion_pending();
    look(entry->path());
  }
  EXPECT_EQ(content_of(stack().path("rabbitmq/.erlang.cookie")).size(), 64U);
}

TEST_F(StackSecrets, AreOutOfReachOfPostgresItself) {
  for (const int pid : processes_below(stack().path("postgres"))) {
    if (of_process(pid, "comm") != "postgres") continue;
    EXPECT_NE(of_process(pid, "status").find("CapEff:\t0000000000000000"), std::string::npos);
  }
  const std::string psql = "PGPASSWORD=$(cat \"$0/postgres/password\") psql -wqXAt -h 127.0.0.1 -p " +
                           std::to_string(stack().base() + 6) + " -U flashclaim -d postgres -c ";
  const auto shadow = stack().operate(psql + "\"SELECT pg_read_file('/etc/shadow')\"");
  EXPECT_NE(shadow.err.find("Permission denied"), std::string::npos) << shadow.out << shadow.err;
  if (geteuid() != 0) return;  // nothing stands between a user and the files of that user
  const auto keys = stack().operate(psql + "\"SELECT pg_read_file('" + stack().path("keys/redis-admin") + "')\"");
  EXPECT_NE(keys.err.find("Permission denied"), std::string::npos) << keys.out << keys.err;
}

}  // namespace
}  // namespace flashclaim
