// Each statement of the C++, called as each role with what the programs send, by the functions that the programs use.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "engine/postgres/archive.h"
#include "engine/postgres/coupons.h"
#include "engine/postgres/events.h"
#include "engine/postgres/ledger.h"
#include "engine/postgres/migrate.h"
#include "engine/postgres/query.h"
#include "engine/postgres/rights.h"
#include "engine/postgres/settle.h"
#include "engine/postgres/writes.h"
#include "tests/access/world.h"
#include "tests/harness/paths.h"
#include "tests/harness/witness.h"

namespace flashclaim::access {
namespace {

using postgres::Session;
using Names = std::set<std::string>;
const Names kEverybody = {"engine", "consumer", "admin"};
const Names kReaders = {"consumer", "admin"};

/// "" when the database did it.
template <class T>
std::string said(const postgres::SqlResult<T>& result) {
  return result ? "" : result.error().sqlstate + " " + result.error().message;
}
/// The same for an operation, which must have been carried out.
std::string done(const postgres::SqlResult<postgres::Operated>& result) {
  if (!result) return said(result);
  return postgres::is_success(result->verdict) ? "" : "verdict " + std::string(postgres::word(result->verdict));
}

/// One call. `before`, as the tester: what the coupon must be. The statements that it consists of show by themselves.
struct Call {
  Names functions;  ///< of sql/, that it calls
  Names roles;      ///< who may
  std::function<std::string(Session&, std::int64_t)> call;
  std::function<void(Session&, std::int64_t)> before = [](Session&, std::int64_t) {};
};

constexpr std::int64_t kBeginMs = 1'795'537'708'000;
constexpr std::int64_t kEndMs = kBeginMs + 3'600'000'000;

postgres::NewCoupon draft(std::int64_t id) { return {id, "calls", 10, 2, kBeginMs, kEndMs}; }
postgres::SettleClaim claim_of(std::int64_t id) { return {id, 1, {kBeginMs, 1}, 0, 7}; }
ClaimId id_of(std::int64_t id) { return {id, 1, {kBeginMs, 1}, 0}; }

void drafted(Session& tester, std::int64_t id) { EXPECT_EQ(done(postgres::create_coupon(tester, draft(id))), ""); }
void published(Session& tester, std::int64_t id) {
  drafted(tester, id);
  EXPECT_EQ(done(postgres::operate_coupon(tester, id, postgres::Operation::kPublish)), "");
}
void settled(Session& tester, std::int64_t id) {
  published(tester, id);
  const postgres::SettleClaim claim = claim_of(id);
  EXPECT_EQ(said(postgres::settle_claims(tester, {&claim, 1})), "");
}
void ended(Session& tester, std::int64_t id) {
  settled(tester, id);
  EXPECT_EQ(done(postgres::operate_coupon(tester, id, postgres::Operation::kEnd)), "");
}
void cut_begun(Session& tester, std::int64_t id) {
  published(tester, id);
  postgres::CouponChanges cut;
  cut.total = 5;
  EXPECT_EQ(done(postgres::update_coupon(tester, id, cut)), "");
}

std::vector<Call> operations() {
  return {
      {{"create_coupon"}, {"admin"}, [](Session& as, auto id) { return done(postgres::create_coupon(as, draft(id))); }},
      {{"operate_coupon"},
       {"admin"},
       [](Session& as, auto id) { return done(postgres::operate_coupon(as, id, postgres::Operation::kPublish, 1)); },
       drafted},
      {{"update_coupon"},
       {"admin"},
       [](Session& as, auto id) {
         postgres::CouponChanges more;
         more.total = 20;
         more.seen = 2;
         return done(postgres::update_coupon(as, id, more));
       },
       published},
      {{"complete_cut"},
       {"admin"},
       [](Session& as, auto id) { return done(postgres::complete_cut(as, id, 3)); },
       cut_begun},
      {{"begin_rebuild"},
       {"admin"},
       [](Session& as, auto id) { return done(postgres::begin_rebuild(as, id)); },
       published},
      {{"purge_coupon", "purge_claims"},
       {"admin"},
       [](Session& as, auto id) { return done(postgres::purge_coupon(as, id, 3)); },
       ended},
      {{}, kReaders, [](Session& as, auto id) { return said(postgres::coupon_state(as, id)); }, published},
      {{}, kReaders, [](Session& as, auto) { return said(postgres::list_coupons(as, 0, 10)); }},
      {{}, kReaders, [](Session& as, auto) { return said(postgres::ever_published(as)); }},
      {{}, kReaders, [](Session& as, auto) { return said(postgres::highest_coupon_id(as)); }},
      {{}, {"admin"}, [](Session& as, auto id) { return said(postgres::coupon_events(as, id, 10)); }, published},
      {{}, kEverybody, [](Session& as, auto) { return said(postgres::act_as(as, "somebody")); }},
  };
}

std::vector<Call> claims_and_ledger() {
  return {
      {{"settle_claims"},
       kReaders,
       [](Session& as, auto id) {
         const postgres::SettleClaim claim = claim_of(id);
         const auto outcomes = postgres::settle_claims(as, {&claim, 1});
         if (!outcomes) return said(outcomes);
         return std::string((*outcomes)[0].outcome == postgres::Outcome::kSettled ? "" : "not settled");
       },
       published},
      {{"reconcile_rows", "flying_entries"},
       kReaders,
       [](Session& as, auto id) {
         const EntryId flying[] = {{kBeginMs, 2}};
         return said(postgres::reconcile_rows(as, id, {1, {kBeginMs, 9}, flying}));
       },
       settled},
      {{"reconcile_user_rows"},
       kReaders,
       [](Session& as, auto id) {
         const EntryId flying[] = {{kBeginMs, 2}};
         const std::int64_t users[] = {7};
         return said(postgres::reconcile_user_rows(as, id, {1, {kBeginMs, 9}, flying}, users));
       },
       settled},
      {{"highest_entry"},
       kReaders,
       [](Session& as, auto id) { return said(postgres::highest_entry(as, id, 1)); },
       settled},
      {{"coupon_counts"},
       kReaders,
       [](Session& as, auto id) { return said(postgres::coupon_counts(as, id)); },
       settled},
      {{}, kReaders, [](Session& as, auto id) { return said(postgres::user_counts(as, id, 0, 10)); }, settled},
      {{},
       kReaders,
       [](Session& as, auto id) {
         return said(postgres::refused_claims(as, {id, 0, {}, 0}, 10));
       }},
      {{}, kReaders, [](Session& as, auto id) { return said(postgres::find_claim(as, id_of(id))); }, settled},
      {{},
       kReaders,
       [](Session& as, auto id) {
         return said(postgres::list_claims(as, {id, 0, {}, 0}, 10));
       }},
      {{}, kEverybody, [](Session& as, auto) { return said(postgres::become_reconciler(as)); }},
      {{"archived_claims"},
       {"engine"},
       [](Session& as, auto id) {
         const ClaimId asked[] = {id_of(id)};
         return said(postgres::archived_claims(as, asked));
       },
       settled},
      {{"archived_coupons"},
       {"engine"},
       [](Session& as, auto) { return said(postgres::archived_coupons(as, 7, {}, 20)); },
       settled},
      {{}, kEverybody, [](Session& as, auto) { return said(postgres::is_primary(as)); }},
  };
}

std::vector<Call> the_rest() {
  return {
      {{"settlement_events"},
       kReaders,
       [](Session& as, auto) { return said(postgres::settlement_events(as, 32)); },
       settled},
      {{"forget_settlement_events"},
       {"consumer"},
       [](Session& as, auto) {
         return said(postgres::forget_settlement_events(as, {1, 2}));
       }},
      {{}, kReaders, [](Session& as, auto) { return said(postgres::settlement_feed(as)); }},
      {{"want_settlement_events"},
       {"admin"},
       [](Session& as, auto) { return said(postgres::want_settlement_events(as, true)); }},
      {{}, kEverybody, [](Session& as, auto) { return said(postgres::become_relay(as)); }},
      {{}, kEverybody, [](Session& as, auto) { return said(postgres::check_writes(as)); }},
      {{}, kEverybody, [](Session& as, auto) { return said(as.ping()); }},
      {{}, kEverybody, [](Session& as, auto) { return said(as.allow_long_statements(std::chrono::minutes(10))); }},
      {{}, kEverybody, [](Session& as, auto) { return said(missing_right(as, postgres::User::kEngine)); }},
      {{}, kReaders, [](Session& as, auto) { return said(postgres::schema_current(as)); }},
  };
}

const std::vector<Call>& calls() {
  static const std::vector<Call> kCalls = [] {
    std::vector<Call> all;
    for (auto* part : {operations, claims_and_ledger, the_rest})
      for (Call& call : part()) all.push_back(std::move(call));
    return all;
  }();
  return kCalls;
}

/// Parts of the functions above, which call them as the owner of the schema.
const Names kInner = {"check_batch",       "claim_stripes",    "settle_fresh",       "entry_was_refused",
                      "insert_first_rows", "insert_next_rows", "judge_claims",       "known_outcome",
                      "user_holdings",     "write_judged",     "insert_judged_rows", "insert_refusals",
                      "record_event",      "count_issued",     "lock_coupons",       "log_operation"};

Names words_of(std::string_view text) {
  std::istringstream words{std::string(text)};
  return {std::istream_iterator<std::string>(words), {}};
}

Names ask_names(Session& session, const char* sql) {
  const auto names = postgres::run(session, {"names_of_test", sql}, {},
                                   [](const pqxx::result& rows) { return words_of(rows[0][0].c_str()); });
  EXPECT_TRUE(names) << said(names);
  return names ? *names : Names();
}

/// What this session has prepared.
Names statements_of(Session& session) {
  Names names = ask_names(session, "SELECT coalesce(string_agg(name, ' '), '') FROM pg_prepared_statements");
  names.erase("names_of_test");
  return names;
}

/// The statements in the sources of engine/postgres.
Names statements_in_the_sources() {
  static const std::regex kStatement(R"re((?:Statement\s+k\w+|run\(\*this,\s*)\s*\{\s*"(\w+)")re");
  Names names;
  for (const auto& file : std::filesystem::directory_iterator(harness::source_dir() + "/engine/postgres")) {
    if (file.path().extension() != ".cpp") continue;
    std::ifstream in(file.path());
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    for (std::sregex_iterator at(text.begin(), text.end(), kStatement), end; at != end; ++at) names.insert((*at)[1]);
  }
  return names;
}

// As each role that may; then nothing in the schema and no statement of the C++ is left that was not called.
TEST(PostgresCalls, AreAllowedToTheirRolesAndCoverEachFunctionAndStatement) {
  const auto tester = World::get().pg("");
  Names functions = kInner;
  Names statements;
  std::int64_t next = 7000;
  for (const Call& call : calls()) {
    functions.insert(call.functions.begin(), call.functions.end());
    for (const std::string& role : call.roles) {
      const auto session = World::get().pg(role);
      call.before(*tester, next);
      const std::string answer = call.call(*session, next++);
      const Names prepared = statements_of(*session);
      const std::string names = prepared.empty() ? "(unprepared)" : *prepared.begin();
      EXPECT_EQ(answer, "") << names << " as " << role;
      statements.insert(prepared.begin(), prepared.end());
    }
  }
  EXPECT_EQ(functions, ask_names(*tester,
                                 "SELECT string_agg(DISTINCT proname, ' ') FROM pg_proc WHERE pronamespace = "
                                 "'public'::regnamespace"));
  EXPECT_EQ(statements, statements_in_the_sources());
  EXPECT_TRUE(postgres::want_settlement_events(*tester, false));
}

TEST(PostgresCalls, AreDeniedToEveryOtherRole) {
  harness::announce_denial("permission denied");
  const auto tester = World::get().pg("");
  std::int64_t next = 8000;
  for (const Call& call : calls()) {
    for (const std::string& role : kEverybody) {
      if (call.roles.contains(role)) continue;
      const auto session = World::get().pg(role);
      call.before(*tester, next);
      const std::string answer = call.call(*session, next++);
      EXPECT_TRUE(answer.starts_with("42501"))
          << role << ": " << (call.functions.empty() ? "" : *call.functions.begin()) << " said: " << answer;
    }
  }
}

// What a role is granted is what its statements need: /readyz asks for nothing less, and names it.
TEST(PostgresCalls, NameEachRightThatIsTakenAway) {
  const std::map<std::string, postgres::User> programs = {{"engine", postgres::User::kEngine},
                                                          {"consumer", postgres::User::kConsumer}};
  const auto tester = World::get().pg("");
  const auto expect_named = [&](const std::string& role, const std::string& object, const std::string& right,
                                bool everybodys) {
    const std::string who = "flashclaim_" + role + (everybodys ? ", PUBLIC" : "");
    ASSERT_EQ(run_sql_for_good("REVOKE " + right + " ON " + object + " FROM " + who), "");
    const auto session = World::get().pg(role);
    const auto missing = postgres::missing_right(*session, programs.at(role));
    ASSERT_EQ(run_sql_for_good("GRANT " + right + " ON " + object + " TO " + who), "");
    ASSERT_TRUE(missing) << said(missing);
    const std::string name = object.substr(object.find(' ') + 1, object.find('(') - object.find(' ') - 1);
    EXPECT_EQ(*missing, right + ' ' + name) << role;
    EXPECT_NE(postgres::rights_text(programs.at(role), *missing).find("log in as flashclaim_" + role),
              std::string::npos);
  };
  for (const postgres::Needs& needs : postgres::all_needs()) {
    const std::string role(needs.role);
    if (!programs.contains(role)) continue;
    expect_named(role, "SCHEMA public", "USAGE", false);
    for (const std::string& table : words_of(needs.tables)) expect_named(role, "TABLE " + table, "SELECT", false);
    for (const auto& [text, everybodys] : {std::pair(needs.functions, false), std::pair(needs.reading, true)}) {
      for (const std::string& function : words_of(text))
        expect_named(role, "FUNCTION " + function, "EXECUTE", everybodys);
    }
    const auto session = World::get().pg(role);
    EXPECT_EQ(postgres::missing_right(*session, programs.at(role)).value(), "") << role;
  }
}

}  // namespace
}  // namespace flashclaim::access
