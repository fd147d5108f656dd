// A session's errors: what was not sent, what is in doubt, what may be repeated, and whose fault it is.
#include <thread>

#include "tests/harness/services.h"
#include "tests/harness/wait.h"
#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

using harness::PrivatePostgres;
using harness::wait_until;

class SessionErrors : public SqlTest {
 protected:
  std::string fault(const std::string& sql) { return std::string(word(refused(session(), sql).fault)); }
  static std::string raise(const std::string& sqlstate) {
    return "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '" + sqlstate + "'; END $$";
  }
};

TEST_F(SessionErrors, AreClassifiedBySqlstate) {
  for (const char* state : {"40001", "40P01", "55P03", "57014", "53100", "53200", "58030", "XX000", "25006"})
    EXPECT_EQ(fault(raise(state)), "retry") << state;
  for (const char* state : {"22003", "22P02", "22023", "23505", "23514", "23502"})
    EXPECT_EQ(fault(raise(state)), "data") << state;
  for (const char* state : {"40003", "08006", "57P01", "57P02"}) EXPECT_EQ(fault(raise(state)), "unknown") << state;
  for (const char* state : {"42P01", "42883", "42601", "25001", "P0001", "0A000"})
    EXPECT_EQ(fault(raise(state)), "bug") << state;
  EXPECT_TRUE(session().open());
  EXPECT_TRUE(session().ping());
}

TEST_F(SessionErrors, CarryOneLineAndTheState) {
  const SqlError error = refused(session(), "SELECT 'secret'::bigint, settle_claims(NULL,NULL,NULL,NULL,NULL,NULL)");
  EXPECT_EQ(error.sqlstate, "22P02");
  EXPECT_EQ(error.message.find('\n'), std::string::npos);
  EXPECT_FALSE(error.as_error().unknown());
  EXPECT_TRUE((SqlError{SqlFault::kUnknown, "", "x"}).as_error().unknown());
}

TEST_F(SessionErrors, AStatementKilledUnderWayIsUnknown) {
  auto victim = connect("victim");
  std::thread killer([&] {
    EXPECT_TRUE(wait_until([&] {
      return query(
                 "SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity WHERE "
                 "application_name = "
                 "'victim' AND state = 'active'") == "t";
    }));
  });
  EXPECT_EQ(refused(*victim, "SELECT pg_sleep(600)").fault, SqlFault::kUnknown);
  killer.join();
  // Closed for good: no silent reconnect (it would lose prepared statements and locks).
  EXPECT_FALSE(victim->open());
  const SettleClaim one[] = {claim(coupon(1, 1), 7, 1000)};
  EXPECT_EQ(settle_claims(*victim, one).error().fault, SqlFault::kConnection);
  EXPECT_EQ(victim->ping().error().fault, SqlFault::kConnection);
}

TEST_F(SessionErrors, AnIdleSessionThatWasKilledIsNotTakenForWorking) {
  auto victim = connect("idle_victim");
  ASSERT_TRUE(victim->ping());
  EXPECT_EQ(
      query("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'idle_victim'"),
      "1");
  const SettleClaim one[] = {claim(coupon(1, 1), 7, 1000)};
  auto answer = settle_claims(*victim, one);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().fault, SqlFault::kUnknown);  // sent into a dead connection: it cannot know
  EXPECT_FALSE(victim->open());
}

TEST_F(SessionErrors, ALockHeldTooLongIsARetry) {
  const auto id = coupon(10, 1);
  auto holder = connect(), waiter = connect();
  query(*holder, "BEGIN");
  query(*holder, "SELECT begin_rebuild(" + std::to_string(id) + ")");
  query(*waiter, "SET lock_timeout = 50");
  const SettleClaim one[] = {claim(id, 7, 1000)};
  auto answer = settle_claims(*waiter, one);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().fault, SqlFault::kRetry);
  EXPECT_EQ(answer.error().sqlstate, "55P03");
  query(*holder, "ROLLBACK");
  EXPECT_TRUE(settle_claims(*waiter, one));
  expect_books(id, 1, 0);
}

TEST_F(SessionErrors, ConnectingToNobodyIsAConnectionFault) {
  for (const std::string url :
       {"postgresql://flashclaim:very-secret@127.0.0.1:1/flashclaim", "not a url: very-secret", ""}) {
    auto none = Session::connect(url, "nobody");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().message.find("very-secret"), std::string::npos) << none.error().message;
    EXPECT_NE(none.error().fault, SqlFault::kUnknown);
  }
  auto wrong = Session::connect(
      url().substr(0, url().find("://") + 3) + "flashclaim:wrong" + url().substr(url().find('@')), "x");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().fault, SqlFault::kConnection);
}

TEST_F(SessionErrors, TheNameBecomesTheActor) {
  auto own = connect("it's \\ a \"name\"");
  EXPECT_EQ(query(*own, "SELECT current_setting('application_name')"), "it's \\ a \"name\"");
  EXPECT_EQ(query(*own, "SELECT current_setting('statement_timeout')"), "30s");
}

// Stopped, not dead: connected, and never an answer.
TEST_F(SessionErrors, ALongStatementIsAllowedAsLongAsItSaysAndNoLonger) {
  const auto own = connect();
  ASSERT_TRUE(own->allow_long_statements(std::chrono::minutes(10)));
  EXPECT_EQ(query(*own, "SELECT current_setting('statement_timeout')"), "10min");
  ASSERT_TRUE(own->allow_long_statements(std::chrono::milliseconds(50)));
  EXPECT_EQ(refused(*own, "SELECT pg_sleep(60)").sqlstate, "57014");
}

TEST(SessionChaos, AServerThatDoesNotAnswerIsGivenUp) {
  PrivatePostgres server;
  server.start();
  const std::string url = server.migrated_database();
  auto own = Session::connect(url, "patient", std::chrono::milliseconds(500));
  ASSERT_TRUE(own);
  ASSERT_TRUE(create_coupon(**own, {1, "chaos", 100, 1, kBeginMs, kEndMs, 1000}));
  server.pause();
  const SettleClaim one[] = {claim(1, 7, 1000)};
  auto answer = settle_claims(**own, one);
  server.resume();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().fault, SqlFault::kUnknown);
  EXPECT_FALSE((*own)->open());
  // It read the statement when it went on: the same ids tell.
  std::unique_ptr<Session> again;
  ASSERT_TRUE(wait_until([&] {
    auto connected = Session::connect(url, "again");
    if (connected) again = std::move(*connected);
    return again != nullptr;
  }));
  auto known = settle_claims(*again, one);
  ASSERT_TRUE(known);
  EXPECT_TRUE(is_settled(known->front().outcome));
  EXPECT_EQ((*coupon_counts(*again, 1))->rows, 1);
}

// Break, honest error, heal, and then the books: every claim of an unknown answer is asked again with the same ids.
TEST(SessionChaos, AKilledServerLosesAndDoublesNothing) {
  PrivatePostgres server;
  server.start();
  const std::string url = server.migrated_database();
  const auto connected = [&] {
    std::unique_ptr<Session> session;
    EXPECT_TRUE(wait_until([&] {
      auto answer = Session::connect(url, "chaos");
      if (answer) session = std::move(*answer);
      return session != nullptr;
    }));
    return session;
  };
  auto own = connected();
  ASSERT_TRUE(create_coupon(*own, {1, "chaos", 1'000'000, 1, kBeginMs, kEndMs, 1000}));
  std::atomic<int> settled = 0;
  std::atomic<bool> stop = false;
  std::thread consumer([&] {
    auto mine = connected();
    for (int b = 0; !stop; ++b) {
      std::vector<SettleClaim> batch;
      for (int i = 0; i < 50; ++i) batch.push_back(claim(1, 1 + b * 50 + i, 1000 + b, i));
      for (;;) {
        auto answer = settle_claims(*mine, batch);
        if (answer) {
          for (const Settled& one : *answer) EXPECT_TRUE(is_settled(one.outcome));
          break;
        }
        EXPECT_TRUE(answer.error().fault == SqlFault::kUnknown || answer.error().fault == SqlFault::kConnection)
            << answer.error().sqlstate << answer.error().message;
        mine = connected();
      }
      settled += 50;
    }
  });
  for (int round = 0; round < 3; ++round) {
    const int before = settled;
    EXPECT_TRUE(wait_until([&] { return settled >= before + 200; }));
    server.kill();
    server.start();
  }
  const int before = settled;
  EXPECT_TRUE(wait_until([&] { return settled >= before + 200; }));
  stop = true;
  consumer.join();
  own = connected();
  auto counts = coupon_counts(*own, 1);
  ASSERT_TRUE(counts && *counts);
  EXPECT_EQ((*counts)->rows, settled);
  EXPECT_EQ((*counts)->issue_num, settled);
  EXPECT_EQ((*counts)->users, settled);
}

}  // namespace
}  // namespace flashclaim::postgres
