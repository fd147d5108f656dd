// Migrates one database for the process, and makes coupons and claims in it.
#include "tests/sql/world.h"

#include <atomic>

#include "engine/postgres/query.h"
#include "tests/harness/services.h"

namespace flashclaim::postgres {
namespace {

SqlResult<std::string> query_text(Session& session, const std::string& sql) {
  try {
    pqxx::nontransaction autocommit(session.impl().connection);
    pqxx::result rows = autocommit.exec(sql);
    return std::string(rows.empty() || rows.columns() == 0 ? "" : rows[0][0].c_str());
  } catch (...) {
    return classify_current_exception(true);
  }
}

}  // namespace

SettleClaim claim(std::int64_t coupon, std::int64_t user, std::int64_t ms, int index, std::int64_t seq) {
  return {coupon, 1, {ms, seq}, index, user};
}

Words words(const std::vector<Settled>& outcomes) {
  Words all;
  for (const Settled& one : outcomes) all.push_back(std::string(word(one.outcome)) + (one.fresh ? "*" : ""));
  return all;
}

const std::string& SqlTest::url() {
  static const std::string kUrl = harness::PrivatePostgres::shared().migrated_database();
  return kUrl;
}

std::unique_ptr<Session> SqlTest::connect(std::string_view name) {
  auto session = Session::connect(url(), name);
  EXPECT_TRUE(session) << session.error().message;
  return session ? std::move(*session) : nullptr;
}

SqlTest::SqlTest() : session_(connect()) {}

void SqlTest::use(const std::string& url) {
  auto session = Session::connect(url, "test_sql");
  ASSERT_TRUE(session) << session.error().message;
  session_ = std::move(*session);
}

std::int64_t SqlTest::fresh_id() {
  static std::atomic<std::int64_t> last = 0;
  return ++last;
}

std::int64_t SqlTest::draft(std::int64_t total, std::int64_t user_limit) {
  NewCoupon coupon{fresh_id(), "a coupon", total, user_limit, kBeginMs, kEndMs, 1000};
  auto created = create_coupon(session(), coupon);
  EXPECT_TRUE(created && created->verdict == OperationVerdict::kApplied);
  return coupon.id;
}

std::int64_t SqlTest::coupon(std::int64_t total, std::int64_t user_limit) {
  const std::int64_t id = draft(total, user_limit);
  auto published = operate_coupon(session(), id, Operation::kPublish);
  EXPECT_TRUE(published && published->verdict == OperationVerdict::kApplied);
  return id;
}

Words SqlTest::settle(std::span<const SettleClaim> claims, SettleMode mode) {
  auto outcomes = settle_claims(session(), claims, mode);
  EXPECT_TRUE(outcomes) << outcomes.error().sqlstate << ' ' << outcomes.error().message;
  return outcomes ? words(*outcomes) : Words{};
}

Words SqlTest::settle(std::initializer_list<SettleClaim> claims, SettleMode mode) {
  return settle(std::span(claims.begin(), claims.size()), mode);
}

CouponState SqlTest::state(std::int64_t id) {
  auto found = coupon_state(session(), id);
  EXPECT_TRUE(found && *found);
  return found && *found ? **found : CouponState{};
}

std::vector<int> SqlTest::ordinals(std::int64_t coupon, std::int64_t user) {
  auto answer = run(session(),
                    {"test_ordinals",
                     "SELECT ordinal FROM user_coupon WHERE coupon_id = $1::bigint AND user_id = $2::bigint "
                     "ORDER BY ordinal"},
                    {param(coupon), param(user)}, [](const pqxx::result& rows) {
                      std::vector<int> all;
                      for (const auto& row : rows) all.push_back(row[0].as<int>());
                      return all;
                    });
  EXPECT_TRUE(answer);
  return answer ? *answer : std::vector<int>{};
}

void SqlTest::expect_books(std::int64_t coupon, std::int64_t settled, std::int64_t refused) {
  auto counts = coupon_counts(session(), coupon);
  ASSERT_TRUE(counts && *counts);
  EXPECT_EQ((*counts)->rows, settled);
  EXPECT_EQ((*counts)->issue_num, settled);
  EXPECT_LE((*counts)->rows, (*counts)->total_num);
  EXPECT_EQ((*counts)->over_limit_users, 0);
  EXPECT_EQ((*counts)->rejections, refused);
  EXPECT_EQ((*counts)->both, 0);
}

std::string SqlTest::query(Session& session, const std::string& sql) {
  auto answer = query_text(session, sql);
  EXPECT_TRUE(answer) << sql << ": " << answer.error().message;
  return answer ? *answer : "";
}

SqlError SqlTest::refused(Session& session, const std::string& sql) {
  auto answer = query_text(session, sql);
  EXPECT_FALSE(answer) << sql << " was not refused";
  return answer ? SqlError{} : answer.error();
}

}  // namespace flashclaim::postgres
