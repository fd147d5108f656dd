// Claims that Redis has forgotten, and what a user holds: the engine asks PostgreSQL, and says so when it cannot.
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

using harness::raw_request;
using harness::RawAnswer;
using harness::RawConnection;

class EngineArchive : public WholePath {
 protected:
  static std::string of(std::int64_t user) { return "X-User-Id: " + std::to_string(user) + "\r\n"; }
  [[nodiscard]] RawAnswer show(const ClaimId& claim, const std::string& headers = "", const char* query = "") const {
    return raw_request(http_port_, "GET", "/claims/" + claim.text() + query, headers);
  }
  [[nodiscard]] RawAnswer held(std::int64_t user, const std::string& query = "") const {
    return raw_request(http_port_, "GET", "/users/me/coupons" + query, of(user));
  }
  static std::string code(const RawAnswer& answer) { return json_field(answer.body, "code"); }
  static std::string status(const RawAnswer& answer) { return json_field(answer.body, "status"); }
  [[nodiscard]] std::int64_t metric(const std::string& name) const {
    const std::string text = "\n" + raw_request(admin_port_, "GET", "/metrics").body;
    const auto at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stoll(text.substr(at + name.size() + 2));
  }

  /// What an hour does.
  void forget(const ClaimId& claim) {
    ASSERT_EQ(redis_number({"DEL", redis::CouponKeys(claim.coupon_id).result(claim.entry)}), 1);
  }
  /// A claim of user 7 that settled, and one of user 8 that PostgreSQL refused; Redis has forgotten both.
  void settle_and_forget() {
    const auto id = open_coupon(1, 1);
    accept(id, 7, 7);
    await_rest();
    redis_number({"INCR", redis::CouponKeys(id).stock});  // Redis is made to believe in a unit that is not there
    accept(id, 8, 8);
    await_rest();
    ASSERT_TRUE(wait_until([&] {  // the reconciler has seen it
      return redis_text({"GET", redis::CouponKeys(id).stock}) == "0" &&
             redis_number({"HEXISTS", redis::CouponKeys(id).coupon, "suspect"}) == 0;
    }));
    settled_ = told_.acknowledged[0].claim;
    refused_ = told_.acknowledged[1].claim;
    forget(settled_);
    forget(refused_);
  }
  /// Every claim id of a walk over all pages, in order.
  std::vector<std::string> walk(std::int64_t user, int limit) const {
    std::vector<std::string> claims;
    std::string next;
    do {
      const RawAnswer page = held(user, "?limit=" + std::to_string(limit) + (next.empty() ? "" : "&after=" + next));
      EXPECT_EQ(page.status, 200) << page.body;
      const std::string mark = "\"claimId\":\"";
      for (auto at = page.body.find(mark); at != std::string::npos; at = page.body.find(mark, at)) {
        at += mark.size();
        claims.push_back(page.body.substr(at, page.body.find('"', at) - at));
      }
      next = json_field(page.body, "next");
    } while (!next.empty());
    return claims;
  }

  ClaimId settled_;
  ClaimId refused_;
};

TEST_F(EngineArchive, KnowsWhatRedisHasForgotten) {
  start_programs();
  settle_and_forget();
  EXPECT_EQ(show(settled_, of(7)).body, R"({"claimId":")" + settled_.text() + R"(","couponId":")" +
                                            std::to_string(settled_.coupon_id) + R"(","status":"settled"})");
  EXPECT_EQ(status(show(settled_)), "settled");
  const RawAnswer refused = show(refused_, of(8));
  EXPECT_EQ(status(refused), "refused");
  EXPECT_EQ(json_field(refused.body, "reason"), "out_of_stock");
  EXPECT_EQ(code(show(settled_, of(8))), "CLAIM_NOT_FOUND");
  EXPECT_EQ(code(show(refused_, of(7))), "CLAIM_NOT_FOUND");
  ClaimId never = settled_;
  never.index = 1;
  EXPECT_EQ(code(show(never, of(7))), "CLAIM_NOT_FOUND");
  never = settled_;
  never.coupon_id = 9'000'000'000'000'000'000;
  EXPECT_EQ(code(show(never, of(7))), "CLAIM_NOT_FOUND");
  never.epoch = 9'000'000'000'000'000'000;
  EXPECT_EQ(code(show(never, of(7))), "CLAIM_NOT_FOUND");
  expect_invariants(told_);
}

TEST_F(EngineArchive, AnswersALongPollAtOnce) {
  start_programs();
  settle_and_forget();
  EXPECT_EQ(status(show(settled_, of(7), "?wait=30s")), "settled");
  EXPECT_EQ(status(show(refused_, of(8), "?wait=30s")), "refused");
  EXPECT_EQ(code(show(settled_, of(9), "?wait=30s")), "CLAIM_NOT_FOUND");
  EXPECT_EQ(metric("flashclaim_polls_expired_total"), 0);
  EXPECT_EQ(metric("flashclaim_polls_waiting"), 0);
  expect_invariants(told_);
}

TEST_F(EngineArchive, SaysThatItCannotKnowWhilePostgresIsAway) {
  start_programs();
  settle_and_forget();
  const auto id = open_coupon(10, 1);
  consumer_->stop();
  ClaimId never = settled_;
  never.index = 1;
  postgres_server().kill();
  for (const RawAnswer& answer : {show(settled_, of(7)), show(refused_, of(9)), show(never, of(7)), held(7),
                                  show(settled_, of(7), "?wait=30s")}) {
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(code(answer), "NOT_READY");
    EXPECT_EQ(answer.headers.count("retry-after"), 1u);
  }
  // A claim needs no PostgreSQL.
  EXPECT_TRUE(wait_until([&] { return raw_request(admin_port_, "GET", "/readyz").status == 200; }));
  accept(id, 1, 1);
  EXPECT_EQ(status(show(told_.acknowledged.back().claim, of(1))), "pending");
  EXPECT_GE(metric("flashclaim_archive_failed_total{reason=\"away\"}"), 5);

  postgres_server().start();
  EXPECT_TRUE(wait_until([&] { return metric("flashclaim_archive_connected") == 1; }));  // though nobody asks
  EXPECT_EQ(status(show(settled_, of(7))), "settled");
  EXPECT_EQ(code(show(refused_, of(9))), "CLAIM_NOT_FOUND");
  EXPECT_EQ(held(7).status, 200);
  consumer_ = consumer();
  await_rest();
  expect_invariants(told_);
}

TEST_F(EngineArchive, FindsAPostgresThatWasStartedAgain) {
  start_programs();
  settle_and_forget();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(status(show(settled_, of(7))), "settled");
    postgres_server().stop();
    postgres_server().start();
    EXPECT_TRUE(wait_until([&] { return status(show(settled_, of(7))) == "settled"; }));
  }
  expect_invariants(told_);
}

TEST_F(EngineArchive, AnswersTenThousandAtOnceThoughPostgresIsSilent) {
  start_programs();
  settle_and_forget();
  constexpr int kConnections = 200;
  constexpr int kEach = 50;
  const std::string ask = "GET /claims/" + settled_.text() + " HTTP/1.1\r\nHost: x\r\nX-User-Id: 7\r\n\r\n";
  std::string asks;
  for (int i = 0; i < kEach; ++i) asks += ask;
  std::vector<std::unique_ptr<RawConnection>> connections;
  for (int i = 0; i < kConnections; ++i) connections.push_back(std::make_unique<RawConnection>(http_port_));
  postgres_server().pause();
  for (auto& connection : connections) connection->send(asks);
  int refused = 0;
  for (auto& connection : connections)
    for (int i = 0; i < kEach; ++i) {
      const auto answer = connection->answer();
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->status, 503) << answer->body;
      EXPECT_EQ(answer->headers.count("retry-after"), 1u);
      refused += code(*answer) == "BUSY" || code(*answer) == "NOT_READY" ? 1 : 0;
    }
  postgres_server().resume();
  EXPECT_EQ(refused, kConnections * kEach);
  EXPECT_TRUE(wait_until([&] { return status(show(settled_, of(7))) == "settled"; }));
  EXPECT_EQ(metric("flashclaim_archive_waiting"), 0);
  await_rest();
  expect_invariants(told_);
}

TEST_F(EngineArchive, ListsWhatAUserHoldsPageByPage) {
  start_programs();
  std::vector<std::string> expected;
  for (int coupon = 0; coupon < 5; ++coupon) {
    const auto id = open_coupon(100, 3);
    for (int i = 0; i < 3; ++i) accept(id, 7, 7);
    accept(id, 8, 8);
  }
  await_rest();
  for (const auto& [claim, user] : told_.acknowledged)
    if (user == 7) expected.push_back(claim.text());
  const RawAnswer all = held(7, "?limit=100");
  EXPECT_EQ(all.headers.at("cache-control"), "private, no-store");
  EXPECT_EQ(all.headers.at("content-type"), "application/json");
  EXPECT_NE(all.body.find(R"("name":"a coupon for tests","claimId":")"), std::string::npos) << all.body;
  const auto walked = walk(7, 100);
  EXPECT_EQ(std::set(walked.begin(), walked.end()), std::set(expected.begin(), expected.end()));
  for (std::size_t i = 1; i < walked.size(); ++i)
    EXPECT_GE(parse_claim_id(walked[i - 1])->coupon_id, parse_claim_id(walked[i])->coupon_id);
  for (const int limit : {1, 2, 4, 15, 16}) EXPECT_EQ(walk(7, limit), walked) << limit;
  EXPECT_EQ(walk(8, 2).size(), 5u);
  EXPECT_EQ(held(9).body, R"({"coupons":[]})");

  for (const char* query : {"?limit=0", "?limit=101", "?limit=x", "?limit=1&limit=1", "?after=1", "?after=1-0",
                            "?after=0-1", "?after=1-1-1", "?after=1-1&after=1-1", "?after="})
    EXPECT_EQ(code(held(7, query)), "INVALID_REQUEST") << query;
  EXPECT_EQ(code(get("/users/me/coupons")), "UNAUTHENTICATED");
  EXPECT_EQ(code(raw_request(http_port_, "POST", "/users/me/coupons", of(7))), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(code(get("/users/7/coupons")), "NOT_FOUND");
  expect_invariants(told_);
}

TEST_F(EngineArchive, AWalkHasNoDoubleAndNoGapWhileClaimsSettle) {
  start_programs();
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 8; ++i) ids.push_back(open_coupon(1000, 50));
  accept(ids[3], 7, 7);
  accept(ids[5], 7, 7);
  await_rest();
  std::vector<bench::ClaimOrder> orders;
  for (int i = 0; i < 50; ++i)
    for (const auto id : ids)
      if (id != ids[3] || i > 0) orders.push_back({id, 7});
  std::atomic<bool> done{false};
  bench::ClaimRunReport report;
  std::thread crowd([&] {
    report = fire(orders, 2);
    done = true;
  });
  std::vector<std::string> before;
  bool last = false;
  do {
    last = done;
    const auto now = walk(7, 7);
    const std::set<std::string> seen(now.begin(), now.end());
    EXPECT_EQ(seen.size(), now.size()) << "a double";
    for (const std::string& claim : before) EXPECT_TRUE(seen.contains(claim)) << "a gap: " << claim;
    before = now;
  } while (!last);
  crowd.join();
  await_rest();
  EXPECT_EQ(walk(7, 100).size(), 2u + report.acknowledged.size());
  report.acknowledged.insert(report.acknowledged.end(), told_.acknowledged.begin(), told_.acknowledged.end());
  expect_invariants(report);
}

TEST_F(EngineArchive, WithoutADatabaseTheEngineSaysWhatItDoesNotKnow) {
  engine_ = engine({"--archive-threads=0"});
  consumer_ = consumer();
  settle_and_forget();
  EXPECT_EQ(code(show(settled_, of(7))), "CLAIM_NOT_FOUND");  // engine/archive/README.md
  EXPECT_EQ(code(held(7)), "NOT_READY");
  EXPECT_EQ(metric("flashclaim_archive_waiting"), -1);
  environment_["PG_URL"] = "redis://nonsense";
  const auto finished =
      harness::run_program("flashclaim-engine", {"--role=http", "--listen=127.0.0.1:0"}, environment_);
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_NE(finished.err.find("PG_URL is not a PostgreSQL URL"), std::string::npos) << finished.err;
  environment_["PG_URL"] = "";
  const auto without = engine({"--role=http"});
  EXPECT_EQ(code(held(7)), "NOT_READY");
}

}  // namespace
}  // namespace flashclaim
