// What a session knows of itself: it inherits nothing that it relies on, leaves a server that takes no writes, and
// holds no lock for a host that is gone.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "engine/postgres/events.h"
#include "engine/postgres/query.h"
#include "engine/postgres/writes.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"
#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

using harness::PrivatePostgres;
using harness::wait_until;

SqlResult<bool> say(Session& session, const std::string& sql) {
  return run(session, {sql.c_str(), sql.c_str()}, {}, [](const pqxx::result&) { return true; });
}

class SessionItself : public SqlTest {
 protected:
  /// A database of its own, whose settings a test may change.
  static const std::string& own_url() {
    static const std::string kUrl = PrivatePostgres::shared().migrated_database();
    return kUrl;
  }
  static std::string database() {
    const auto at = own_url().rfind('/') + 1;
    return own_url().substr(at, own_url().find('?', at) - at);
  }
  /// From another database, so that it may write whatever its own is set to.
  void set_database(const std::string& what) { query("ALTER DATABASE " + database() + " " + what); }
  void TearDown() override { set_database("RESET ALL"); }

  static std::unique_ptr<Session> own(const std::string& url = own_url()) {
    auto session = Session::connect(url, "own");
    EXPECT_TRUE(session) << session.error().message;
    return session ? std::move(*session) : nullptr;
  }
};

TEST_F(SessionItself, IsClosedByAnErrorThatIsAboutIt) {
  for (const std::string state : {"25006", "25P02", "26000", "57P01", "57P03", "08006", "0A000"}) {
    auto session = own();
    ASSERT_FALSE(say(*session, "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '" + state + "'; END $$")) << state;
    EXPECT_FALSE(session->open()) << state;
    EXPECT_EQ(session->ping().error().fault, SqlFault::kConnection) << state;
  }
  for (const std::string state : {"40001", "55P03", "57014", "22003", "23505", "42P01", "53100", "P0001"}) {
    auto session = own();
    ASSERT_FALSE(say(*session, "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '" + state + "'; END $$")) << state;
    EXPECT_TRUE(session->open()) << state;
  }
}

// A migration changed what a statement returns that the session prepared before it.
TEST_F(SessionItself, IsClosedWhenItsStatementsAreFromBeforeAMigration) {
  auto session = own();
  ASSERT_TRUE(say(*session, "CREATE TABLE changing (n int)"));
  const Statement all{"all", "SELECT * FROM changing"};
  const auto read = [](const pqxx::result& rows) { return rows.columns(); };
  ASSERT_TRUE(run(*session, all, {}, read));
  ASSERT_TRUE(say(*session, "ALTER TABLE changing ALTER n TYPE bigint"));
  const auto stale = run(*session, all, {}, read);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().fault, SqlFault::kRetry) << stale.error().message;
  EXPECT_FALSE(session->open());
  EXPECT_TRUE(run(*own(), all, {}, read));
}

TEST_F(SessionItself, InheritsNothingThatItReliesOn) {
  const std::pair<const char*, const char*> wrong[] = {
      {"default_transaction_isolation", "serializable"},
      {"default_transaction_deferrable", "on"},
      {"synchronous_commit", "off"},
      {"search_path", "pg_catalog"},
      {"statement_timeout", "1"},
      {"lock_timeout", "1"},
      {"idle_session_timeout", "1000"},
      {"datestyle", "SQL, DMY"},
      {"intervalstyle", "sql_standard"},
      {"timezone", "Asia/Tokyo"},
      {"bytea_output", "escape"},
      {"standard_conforming_strings", "off"},
      {"tcp_keepalives_idle", "7200"},
      {"tcp_user_timeout", "0"},
  };
  auto before = own();
  std::vector<std::string> wanted;
  for (const auto& [name, value] : wrong)
    wanted.push_back(query(*before, std::string("SELECT current_setting('") + name + "')"));
  for (const auto& [name, value] : wrong)
    set_database(std::string("SET ") + name + " = " + (name == std::string_view("search_path") ? "" : "'") + value +
                 (name == std::string_view("search_path") ? "" : "'"));
  auto after = own();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::string now = query(*after, std::string("SELECT current_setting('") + wrong[i].first + "')");
    EXPECT_EQ(now, wanted[i]) << wrong[i].first;
    EXPECT_NE(now, wrong[i].second) << wrong[i].first;
  }
  ASSERT_TRUE(create_coupon(*after, {1, "a coupon", 10, 1, kBeginMs, kEndMs, 1000}));
}

// The operator's word, and not overridden; but a session must not keep it when it is taken back.
TEST_F(SessionItself, LeavesADatabaseThatIsReadOnlyAndComesBack) {
  set_database("SET default_transaction_read_only = on");
  auto session = own();
  const auto refused = check_writes(*session);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, SqlFault::kRetry);
  EXPECT_NE(refused.error().message.find("default_transaction_read_only is on"), std::string::npos);
  EXPECT_FALSE(session->open());
  auto other = own();
  EXPECT_EQ(say(*other, "CREATE TABLE never (n int)").error().sqlstate, "25006");
  EXPECT_FALSE(other->open());
  set_database("RESET default_transaction_read_only");
  auto again = own();
  EXPECT_TRUE(check_writes(*again));
  EXPECT_TRUE(again->open());
}

TEST(SessionOnAStandby, IsRefusedOrLeft) {
  PrivatePostgres server;
  server.start();
  const std::string url = server.migrated_database();
  server.stop();
  std::ofstream(server.folder() + "/data/standby.signal").close();
  server.start();
  const auto refused = Session::connect(url, "refused");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, SqlFault::kConnection);
  EXPECT_NE(refused.error().message.find("standby"), std::string::npos) << refused.error().message;
  const std::string any = url + (url.find('?') == std::string::npos ? "?" : "&") + "target_session_attrs=any";
  auto session = Session::connect(any, "any");
  ASSERT_TRUE(session) << session.error().message;
  const auto writes = check_writes(**session);
  ASSERT_FALSE(writes);
  EXPECT_NE(writes.error().message.find("it is a standby"), std::string::npos) << writes.error().message;
  EXPECT_FALSE((*session)->open());
}

// A host that loses its power says nothing. Its socket taken out of the kernel without a word is the nearest thing that
// one machine has: only the server's own keepalives find out.
TEST_F(SessionItself, OfAHostThatLostItsPowerHoldsNoLock) {
  auto gone = own();
  ASSERT_TRUE(*become_relay(*gone));
  auto next = own();
  ASSERT_FALSE(*become_relay(*next));
  // Until the kernel has acknowledged the last answer: what is sent again would find a socket that is gone.
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const int socket = gone->impl().connection.sock();
  const int on = TCP_REPAIR_ON;
  if (setsockopt(socket, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) != 0) {
    std::printf("UNTRIED: a relay's host without power: this machine lets nobody drop a connection silently\n");
    return;
  }
  gone->close();
  EXPECT_TRUE(wait_until([&] { return *become_relay(*next); }));
}

}  // namespace
}  // namespace flashclaim::postgres
