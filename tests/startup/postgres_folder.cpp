// One PostgreSQL in its folder: whatever a start finds there, it removes no database, and root follows nobody's links.
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/harness/folder.h"
#include "tests/startup/world.h"

namespace flashclaim {
namespace {

namespace fs = std::filesystem;
using harness::Finished;

class PostgresFolder : public ::testing::Test {
 protected:
  void starts() const {
    const Finished done = server_.run("start");
    ASSERT_EQ(done.exit_code, 0) << done.out << done.err;
  }
  /// It does not start, says `words`, and the data folder is as it was.
  void refuses_with(const std::string& words) const {
    const auto before = fs::exists(server_.path("data")) ? count_files() : 0;
    const Finished done = server_.run("start");
    EXPECT_NE(done.exit_code, 0);
    EXPECT_NE(done.err.find(words), std::string::npos) << done.out << done.err;
    EXPECT_EQ(count_files(), before);
    EXPECT_EQ(server_.pid(), -1);
  }
  [[nodiscard]] std::ptrdiff_t count_files() const {
    const fs::recursive_directory_iterator all(server_.path("data"));
    return std::distance(begin(all), end(all));
  }
  [[nodiscard]] Finished sql(const std::string& statement) const {
    return harness::run_program("/usr/bin/psql",
                                {"-wqXAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
                                 std::to_string(server_.port()), "-U", "flashclaim", "-d", "postgres", "-c", statement},
                                {{"PGPASSWORD", content_of(server_.path("password"))}});
  }
  void make_rows() const { ASSERT_EQ(sql("CREATE TABLE kept AS SELECT generate_series(1, 401)").exit_code, 0); }
  void expect_rows() const { EXPECT_EQ(sql("SELECT count(*) FROM kept").out, "401\n"); }
  static void give_to_postgres(const std::string& path) {
    const passwd* user = getpwnam("postgres");
    ASSERT_NE(user, nullptr);
    ASSERT_EQ(lchown(path.c_str(), user->pw_uid, user->pw_gid), 0);
  }

  ServiceFolder server_{"postgres"};
};

TEST_F(PostgresFolder, KeepsItsRowsWhenTheMarkerOfAnUnfinishedInitdbComesBack) {
  starts();
  make_rows();
  ASSERT_EQ(server_.run("kill").exit_code, 0);
  empty(server_.path("initdb.unfinished"));  // what an earlier version left, and a power cut can bring back
  starts();
  expect_rows();
}

TEST_F(PostgresFolder, IsNeverRemovedForWhatIsMissingInIt) {
  starts();
  make_rows();
  ASSERT_EQ(server_.run("stop").exit_code, 0);
  empty(server_.path("data/PG_VERSION"));
  refuses_with("echo 15");
  fs::remove(server_.path("data/PG_VERSION"));
  refuses_with("echo 15");
  fs::rename(server_.path("data/global/pg_control"), server_.path("data/aside"));
  refuses_with("mv '");
  fs::rename(server_.path("data/aside"), server_.path("data/global/pg_control"));
  std::ofstream(server_.path("data/PG_VERSION")) << "15\n";
  fs::permissions(server_.path("data/PG_VERSION"), fs::perms::others_read, fs::perm_options::add);
  starts();
  expect_rows();
}

TEST_F(PostgresFolder, ThatAnInitdbLeftHalfDoneIsPutAsideAndMadeAgain) {
  fs::create_directories(server_.path("data.new/global"));
  std::ofstream(server_.path("data.new/half")) << "x";
  starts();
  EXPECT_FALSE(fs::exists(server_.path("data.new")));
  ASSERT_EQ(server_.run("stop").exit_code, 0);
  fs::create_directories(server_.path("data.new/global"));
  std::ofstream(server_.path("data.new/global/pg_control")) << "x";
  fs::rename(server_.path("data"), server_.path("moved"));
  fs::rename(server_.path("moved"), server_.path("data.moved"));
  starts();
  bool aside = false;
  for (const auto& entry : fs::directory_iterator(server_.path()))
    aside |= entry.path().filename().string().starts_with("data.unfinished.");
  EXPECT_TRUE(aside) << "whatever holds a pg_control is kept";
}

TEST_F(PostgresFolder, WithoutItsPasswordNamesTheWayOutAndTheWayOutWorks) {
  starts();
  make_rows();
  ASSERT_EQ(server_.run("kill").exit_code, 0);
  empty(server_.path("password"));
  refuses_with("password postgres");
  const Finished given = server_.run("password");
  ASSERT_EQ(given.exit_code, 0) << given.out << given.err;
  starts();
  expect_rows();
}

// What only root can show: PostgreSQL is another user then.
TEST_F(PostgresFolder, RunsWithoutAnyCapabilityBelowAFolderThatOnlyItsOwnerMayEnter) {
  const std::string closed = harness::run_folder() + "/closed";
  fs::create_directories(closed);
  fs::permissions(closed, fs::perms::owner_all);
  const ServiceFolder server("postgres", closed + "/postgres");
  const Finished started = server.run("start");
  ASSERT_EQ(started.exit_code, 0) << started.out << started.err;
  const std::string status = content_of("/proc/" + std::to_string(server.pid()) + "/status");
  for (const char* set : {"CapPrm:\t", "CapEff:\t", "CapInh:\t", "CapAmb:\t"})
    EXPECT_NE(status.find(set + std::string("0000000000000000")), std::string::npos) << set << status;
  EXPECT_NE(status.find("NoNewPrivs:\t" + std::string(geteuid() == 0 ? "1" : "0")), std::string::npos) << status;
}

TEST_F(PostgresFolder, MayNotBeChangedByItsServerAroundTheData) {
  starts();
  for (const auto& entry : fs::directory_iterator(server_.path())) {
    struct stat about {};
    ASSERT_EQ(lstat(entry.path().c_str(), &about), 0);
    if (entry.path().filename() != "data") {
      EXPECT_EQ(about.st_uid, geteuid()) << entry.path();
    }
    EXPECT_EQ(about.st_mode & 077, 0U) << entry.path();
  }
  struct stat folder {};
  ASSERT_EQ(stat(server_.path().c_str(), &folder), 0);
  EXPECT_EQ(folder.st_uid, geteuid());
  EXPECT_EQ(folder.st_mode & 027, 0U);
}

TEST_F(PostgresFolder, OfAnEarlierVersionIsTakenBackAndNoLinkInItIsFollowed) {
  if (geteuid() != 0) {
    std::printf("UNTRIED: a folder of another user, for only root can take it back\n");
    return;
  }
  starts();
  make_rows();
  ASSERT_EQ(server_.run("stop").exit_code, 0);
  give_to_postgres(server_.path());  // as earlier versions did
  give_to_postgres(server_.path("password"));
  starts();
  expect_rows();
  ASSERT_EQ(server_.run("stop").exit_code, 0);

  const std::string roots = harness::run_folder() + "/roots";
  std::ofstream(roots) << "root's\n";
  give_to_postgres(server_.path());
  for (const char* name : {"password", "start.log", "tls"}) {
    const std::string kept = harness::run_folder() + "/kept";
    const bool there = fs::exists(server_.path(name));
    if (there) fs::rename(server_.path(name), kept);
    fs::create_symlink(roots, server_.path(name));
    give_to_postgres(server_.path(name));
    refuses_with("somebody else may have put it there");
    fs::remove(server_.path(name));
    if (there) fs::rename(kept, server_.path(name));
  }
  EXPECT_EQ(content_of(roots), "root's");
  struct stat about {};
  ASSERT_EQ(stat(roots.c_str(), &about), 0);
  EXPECT_EQ(about.st_uid, 0U);
  starts();
  expect_rows();
}

}  // namespace
}  // namespace flashclaim
