// Migrations: the ledger first, forward only, never edited, once whatever the number of migrators.
#include "engine/postgres/migrate.h"

#include <algorithm>
#include <numeric>
#include <thread>

#include "tests/harness/services.h"
#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

class Migrate : public SqlTest {
 protected:
  Migrate() : url_(harness::PrivatePostgres::shared().fresh_database()) {}

  std::unique_ptr<Session> open() {
    auto session = Session::connect(url_, "migrator");
    EXPECT_TRUE(session) << session.error().message;
    return std::move(*session);
  }
  static std::vector<int> all_numbers() {
    std::vector<int> numbers(migrations().size());
    std::iota(numbers.begin(), numbers.end(), 1);
    return numbers;
  }
  static std::vector<int> applied(Session& session, const std::vector<Migration>& wanted) {
    auto answer = migrate(session, wanted);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *answer : std::vector<int>{-1};
  }
  static std::string refusal(Session& session, const std::vector<Migration>& wanted) {
    auto answer = migrate(session, wanted);
    EXPECT_FALSE(answer);
    return answer ? "" : answer.error().message;
  }
  static constexpr std::string_view kHash = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

  std::string url_;
};

TEST_F(Migrate, BringsAnEmptyDatabaseUpAndThenHasNothingToDo) {
  auto own = open();
  auto before = migration_status(*own);
  ASSERT_TRUE(before);
  EXPECT_EQ(before->size(), migrations().size());
  EXPECT_TRUE(std::none_of(before->begin(), before->end(), [](auto& m) { return m.applied; }));
  EXPECT_FALSE(*schema_current(*own));
  EXPECT_EQ(applied(*own, migrations()), all_numbers());
  EXPECT_EQ(applied(*own, migrations()), std::vector<int>{});
  EXPECT_TRUE(*schema_current(*own));
  EXPECT_EQ(query(*own, "SELECT count(*) FROM schema_migration WHERE applied_at <= clock_timestamp()"),
            std::to_string(migrations().size()));
}

TEST_F(Migrate, RefusesAnEditedMigrationAndChangesNothing) {
  auto own = open();
  applied(*own, migrations());
  auto edited = migrations();
  edited[1].sha256 = kHash;
  edited.push_back({static_cast<int>(edited.size()) + 1, "next", kHash, "CREATE TABLE next ()"});
  EXPECT_NE(refusal(*own, edited).find("migration 2 (coupon) was applied with another text"), std::string::npos);
  EXPECT_EQ(query(*own, "SELECT to_regclass('next') IS NULL"), "t");
  auto status = migration_status(*own, edited);
  ASSERT_TRUE(status);
  EXPECT_FALSE((*status)[1].intact);
  EXPECT_TRUE((*status)[0].intact);
}

TEST_F(Migrate, RefusesADatabaseOfANewerBuild) {
  auto own = open();
  applied(*own, migrations());
  query(*own, "INSERT INTO schema_migration VALUES (900, 'future', '" + std::string(kHash) + "')");
  EXPECT_NE(refusal(*own, migrations()).find("900 (future) of the database is unknown"), std::string::npos);
  EXPECT_FALSE(*schema_current(*own));
  EXPECT_TRUE(migration_status(*own)->back().unknown);
}

TEST_F(Migrate, RefusesToFillAHole) {
  auto own = open();
  applied(*own, migrations());
  query(*own, "DELETE FROM schema_migration WHERE number = 2");
  EXPECT_NE(refusal(*own, migrations()).find("go forward only"), std::string::npos);
}

TEST_F(Migrate, AFailedMigrationLeavesNoTrace) {
  auto own = open();
  auto wanted = migrations();
  const int next = static_cast<int>(wanted.size()) + 1;
  wanted.push_back({next, "broken", kHash, "CREATE TABLE half (); SELECT 1 / 0;"});
  EXPECT_EQ(refusal(*own, wanted), "division by zero");
  EXPECT_EQ(query(*own, "SELECT to_regclass('half') IS NULL"), "t");
  EXPECT_EQ(query(*own, "SELECT max(number) FROM schema_migration"), std::to_string(next - 1));
  wanted.back().sql = "CREATE TABLE whole ()";
  EXPECT_EQ(applied(*own, wanted), std::vector<int>{next});
}

TEST_F(Migrate, WritesTheLedgerRowBeforeTheFirstEffect) {
  auto own = open();
  auto wanted = migrations();
  const int next = static_cast<int>(wanted.size()) + 1;
  wanted.push_back(
      {next, "witness", kHash, "CREATE TABLE witness AS SELECT max(number) AS seen FROM schema_migration"});
  applied(*own, wanted);
  EXPECT_EQ(query(*own, "SELECT seen FROM witness"), std::to_string(next));
}

TEST_F(Migrate, TwoMigratorsAtOnceApplyEachMigrationOnce) {
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 4; ++i) sessions.push_back(open());
  std::vector<std::vector<int>> done(sessions.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < sessions.size(); ++i)
    threads.emplace_back([&, i] { done[i] = applied(*sessions[i], migrations()); });
  for (auto& thread : threads) thread.join();
  std::vector<int> together;
  for (const auto& some : done) together.insert(together.end(), some.begin(), some.end());
  std::sort(together.begin(), together.end());
  EXPECT_EQ(together, all_numbers());
  EXPECT_TRUE(*schema_current(*sessions[0]));
}

TEST(Migrations, AreNumberedFromOneWithoutAGap) {
  int expected = 0;
  for (const Migration& m : migrations()) EXPECT_EQ(m.number, ++expected) << m.name;
  EXPECT_GT(expected, 0);
}

}  // namespace
}  // namespace flashclaim::postgres
