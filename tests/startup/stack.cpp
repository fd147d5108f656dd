// `make up` over what a power cut or a kill has left: it destroys nothing, and says what is wrong and the way out.
#include <filesystem>
#include <fstream>

#include "tests/harness/folder.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"
#include "tests/startup/world.h"

namespace flashclaim {
namespace {

namespace fs = std::filesystem;
using harness::wait_until;

class StackStart : public StackTest {
 protected:
  static int settled() { return std::stoi(stack().rows()); }
  static bool comes_to(int rows) {
    return wait_until([&] { return settled() == rows; });
  }
  /// The lines of the way out that a message gives, each indented by two spaces.
  static std::string commands_of(const std::string& message) {
    std::string commands;
    std::stringstream lines(message);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("  mv ")) commands += line + "\n";
    return commands;
  }
  static bool broker_runs() {
    for (const int pid : processes_below(stack().path("rabbitmq")))
      if (content_of("/proc/" + std::to_string(pid) + "/comm") == "beam.smp") return true;
    return false;
  }
  /// The broker does not boot over what `damage` did; the way out that is printed brings every claim.
  static void broker_with(const std::string& damage, int user) {
    const int before = settled();
    ASSERT_EQ(stack().operate("kill -9 $(cat \"$0/consumer.pid\")").exit_code, 0);
    stack().claim(user, 20);  // in the queue, and settled by nobody
    const std::string waiting = "flashctl mq status --output json | grep -o '\"messages\":[0-9]*' | sed -n 1p";
    ASSERT_TRUE(wait_until([&] { return stack().printed(waiting) == "\"messages\":20"; }));
    stack().service("kill", "rabbitmq");
    stack().claim(user + 20, 20);  // in Redis' stream only
    ASSERT_EQ(stack().operate("cd \"$0/rabbitmq/mnesia\" && " + damage).exit_code, 0);
    const std::string said = refused("RabbitMQ's own data is damaged");
    EXPECT_FALSE(broker_runs());
    const std::string way_out = commands_of(said);
    ASSERT_EQ(harness::run_program("/bin/bash", {"-ec", way_out}).exit_code, 0) << said;
    up();
    EXPECT_EQ(stack().operate("flashctl mirror replay --yes").exit_code, 0);
    EXPECT_TRUE(comes_to(before + 40)) << settled();
    EXPECT_EQ(stack().operate("flashctl check 1").exit_code, 0);
  }
};

TEST_F(StackStart, KeepsEveryRowThoughTheMarkerOfAnUnfinishedInitdbComesBack) {
  const int before = settled();
  stack().claim(1'000, 401);
  ASSERT_TRUE(comes_to(before + 401));
  stack().service("kill", "postgres");
  empty(stack().path("postgres/initdb.unfinished"));
  up();
  EXPECT_EQ(settled(), before + 401);
}

TEST_F(StackStart, SaysWhichFileAPowerCutEmptiedAndWhatToDo) {
  stack().claim(2'000, 5);
  const int before = settled();
  ASSERT_EQ(stack().make("down").exit_code, 0);
  const auto emptied = [](const std::string& name, const std::string& words, const harness::Environment& changed = {}) {
    const std::string content = content_of(stack().path(name));
    empty(stack().path(name));
    refused(words, changed);
    EXPECT_TRUE(processes_below(stack().path()).empty()) << "nothing was started";
    std::ofstream(stack().path(name)) << content << "\n";
  };
  emptied("port_base", "FLASHCLAIM_PORT_BASE=", {{"FLASHCLAIM_PORT_BASE", ""}});
  emptied("door_mode", "FLASHCLAIM_DOOR=on", {{"FLASHCLAIM_DOOR", ""}});
  emptied("keys/redis-engine", "redis-engine is empty");
  emptied("keys/postgres-owner", "postgres-owner is empty");
  empty(stack().path("postgres/password"));
  const std::string said = refused("password postgres");
  const auto command = said.find('\'', said.find("no data is touched"));
  const auto given =
      harness::run_program("/bin/bash", {"-c", said.substr(command, said.find('\n', command) - command)});
  EXPECT_EQ(given.exit_code, 0) << said << given.err;
  empty(stack().path("rabbitmq/.erlang.cookie"));
  empty(stack().path("rabbitmq/definitions.json"));
  refused("make down");  // the broker runs, and holds a cookie that we have lost
  ASSERT_EQ(stack().make("down").exit_code, 0);
  // Of these nothing depends on the old content: they are made anew.
  for (const char* name : {"rabbitmq/.erlang.cookie", "redis/users.acl", "rabbitmq/definitions.json",
                           "rabbitmq/enabled_plugins", "engine.pid", "consumer.pid"})
    empty(stack().path(name));
  fs::remove(stack().path("keys/postgres-engine"));
  fs::remove(stack().path("keys/redis-consumer"));
  up();
  EXPECT_GE(settled(), before);
  stack().claim(3'000, 5);
  EXPECT_TRUE(comes_to(before + 5) || settled() > before + 5) << settled();
}

TEST_F(StackStart, StopsEverythingThoughItForgotItsPorts) {
  empty(stack().path("port_base"));
  ASSERT_EQ(stack().make("down").exit_code, 0);
  EXPECT_TRUE(wait_until([] { return processes_below(stack().path()).empty(); }));
}

TEST_F(StackStart, NamesABrokerThatDoesNotBootAndTheWayOutLosesNothing) {
  std::ofstream(stack().path("rabbitmq/.erlang.cookie.old")) << "ABCDEFGHIJKLMNOPQRST";
  broker_with(": >flashclaim@localhost-feature_flags; mv ../.erlang.cookie.old ../.erlang.cookie", 4'000);
  EXPECT_EQ(content_of(stack().path("rabbitmq/.erlang.cookie")).size(), 64U) << "Erlang's own was replaced";
  broker_with(": >flashclaim@localhost/schema.DAT", 5'000);
}

TEST_F(StackStart, NamesABrokerUnderAnAlarmWhileNothingSettles) {
  const int before = settled();
  EXPECT_EQ(stack().operate("flashctl status").exit_code, 0);
  stack().service("ctl", "rabbitmq", {"set_disk_free_limit", "900000GB"});
  stack().claim(6'000, 3);
  for (const char* command : {"flashctl status", "flashctl mq status"}) {
    const auto said = stack().operate(command);
    EXPECT_NE(said.exit_code, 0) << said.out;
    EXPECT_NE(said.err.find("alarm (low on disk)"), std::string::npos) << said.out << said.err;
  }
  const std::string said = up();
  EXPECT_NE(said.find("alarm (low on disk)"), std::string::npos) << said;
  EXPECT_EQ(settled(), before);
  stack().service("ctl", "rabbitmq", {"set_disk_free_limit", "256MB"});
  EXPECT_TRUE(comes_to(before + 3));
  EXPECT_EQ(stack().operate("flashctl status").exit_code, 0);
}

// The users of Redis, the library and the schema become those of the new build at once.
TEST_F(StackStart, StartsProgramsOfAnotherBuildAgain) {
  const std::string copy = harness::run_folder() + "/another_build";
  fs::create_directories(copy);
  for (const char* program : {"flashclaim-engine", "flashclaim-consumer", "flashctl", "flashbench"})
    fs::copy_file(harness::bin_dir() + "/" + program, copy + "/" + program, fs::copy_options::overwrite_existing);
  const auto pids = [] {
    return content_of(stack().path("engine.pid")) + ' ' + content_of(stack().path("consumer.pid"));
  };
  const int before = settled();
  const std::string words = "runs from another build";
  for (const harness::Environment& build : {harness::Environment{{"FLASHCLAIM_BIN", copy}}, harness::Environment{}}) {
    const std::string old = pids();
    const std::string said = up(build);
    EXPECT_NE(said.find("flashclaim-engine " + words), std::string::npos) << said;
    EXPECT_NE(said.find("flashclaim-consumer " + words), std::string::npos) << said;
    EXPECT_NE(pids(), old);
  }
  const std::string ours = pids();
  EXPECT_EQ(up().find(words), std::string::npos);
  EXPECT_EQ(pids(), ours);
  stack().claim(7'000, 3);
  EXPECT_TRUE(comes_to(before + 3)) << settled();
}

// In a copy of the scripts: `clean` removes the build of its checkout too.
TEST(StackClean, RemovesNothingThatIsNotAStack) {
  const std::string copy = harness::run_folder() + "/copy";
  fs::create_directories(copy + "/tests");
  fs::copy(harness::source_dir() + "/tests/stack", copy + "/tests/stack", fs::copy_options::recursive);
  const std::string mine = harness::run_folder() + "/mine";
  fs::create_directories(mine + "/redis");
  const auto run = [&](const std::string& goal) {
    return harness::run_program(copy + "/tests/stack/stack.sh", {goal},
                                {{"FLASHCLAIM_RUN", mine}, {"FLASHCLAIM_PORT_BASE", ""}, {"FLASHCLAIM_BIN", copy}});
  };
  for (const char* name : {"letter", "port_base"}) {
    std::ofstream(mine + "/" + name) << "mine\n";
    const auto refused = run("clean");
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_NE(refused.err.find("left as it is"), std::string::npos) << refused.err;
    EXPECT_EQ(content_of(mine + "/letter"), "mine");
    EXPECT_EQ(fs::exists(mine + "/postgres"), false);
  }
  fs::remove(mine + "/port_base");
  const auto up = run("up");
  EXPECT_NE(up.exit_code, 0);
  EXPECT_NE(up.err.find("no stack's folder"), std::string::npos) << up.err;
  EXPECT_FALSE(fs::exists(mine + "/log"));
  std::ofstream(mine + "/flashclaim_stack") << "make up wrote it\n";
  const auto cleaned = run("clean");
  EXPECT_EQ(cleaned.exit_code, 0) << cleaned.err;
  EXPECT_FALSE(fs::exists(mine));
}

}  // namespace
}  // namespace flashclaim
