// What flashbench makes of answers, how it plans a campaign, and what it holds the engine to.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "bench/campaign.h"
#include "bench/campaigns.h"
#include "bench/claim_http.h"
#include "bench/judge.h"

namespace flashclaim::bench {
namespace {

bench::Response answered(int status, std::string_view body) { return {bench::Fate::kAnswered, status, body, -1, {}}; }

std::string problem_body(http::Problem problem) {
  return R"({"type":"about:blank","title":"x","status":1,"code":")" + std::string(http::problem_code(problem)) +
         R"(","detail":"y"})";
}

TEST(ClaimHttp, WritesAWholeRequest) {
  std::string out = "before";
  append_claim_request(out, "127.0.0.1:8080", 42, 7);
  EXPECT_EQ(out,
            "beforePOST /coupons/42/receive HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-User-Id: 7\r\n"
            "Content-Length: 0\r\n\r\n");
}

TEST(ClaimHttp, KeepsTheClaimIdOfA202) {
  auto answer = read_claim_answer(
      answered(202, R"({"claimId":"42-1-1795380024805-3-17","couponId":"42","status":"pending"})"), 42);
  EXPECT_EQ(answer.attempt, Attempt::kAccepted);
  EXPECT_EQ(answer.claim.text(), "42-1-1795380024805-3-17");
}

TEST(ClaimHttp, TakesNo202WithoutAClaimOfThatCoupon) {
  for (const char* body : {R"({"claimId":"43-1-1795380024805-3-17"})", R"({"claimId":"42-1-x"})", R"({"claimId":42})",
                           R"({"claimId")", "{}", ""})
    EXPECT_EQ(read_claim_answer(answered(202, body), 42).attempt, Attempt::kUnexpected) << body;
}

TEST(ClaimHttp, KnowsEveryProblemByItsCodeAndStatus) {
  for (int i = 0; i < http::kProblemCount; ++i) {
    auto problem = static_cast<http::Problem>(i);
    std::string body = problem_body(problem);
    int status = static_cast<int>(http::problem_status(problem));
    auto answer = read_claim_answer(answered(status, body), 42);
    EXPECT_EQ(answer.problem, problem);
    EXPECT_EQ(answer.attempt, problem == http::Problem::kOutcomeUnknown ? Attempt::kUnknown : Attempt::kRefused);
    EXPECT_EQ(read_claim_answer(answered(status + 50, body), 42).attempt, Attempt::kUnexpected);
  }
  EXPECT_EQ(read_claim_answer(answered(409, R"({"code":"OTHER"})"), 42).attempt, Attempt::kUnexpected);
  EXPECT_EQ(read_claim_answer(answered(502, "<html>"), 42).attempt, Attempt::kUnexpected);
}

TEST(ClaimHttp, CountsEveryEndApart) {
  Tally tally;
  auto count = [&](const bench::Response& response) { tally.count(read_claim_answer(response, 42), response); };
  std::string sold_out = problem_body(http::Problem::kSoldOut);
  std::string unknown = problem_body(http::Problem::kOutcomeUnknown);
  count(answered(202, R"({"claimId":"42-1-1-0-0"})"));
  count(answered(409, sold_out));
  count(answered(409, sold_out));
  count(answered(503, unknown));
  count({bench::Fate::kUnknown, 0, {}, -1, "reset"});
  count({bench::Fate::kNotSent, 0, {}, -1, "refused"});
  count(answered(418, "teapot"));
  EXPECT_EQ(tally.accepted, 1);
  EXPECT_EQ(tally.of(http::Problem::kSoldOut), 2);
  EXPECT_EQ(tally.refused_total(), 2);
  EXPECT_EQ(tally.outcome_unknown, 1);
  EXPECT_EQ(tally.unanswered, 1);
  EXPECT_EQ(tally.unanswered_reason, "reset");
  EXPECT_EQ(tally.not_sent, 1);
  EXPECT_EQ(tally.unexpected, 1);
  EXPECT_EQ(tally.unexpected_example, "418 teapot");
  EXPECT_EQ(tally.attempts(), 7);
  Tally twice = tally;
  twice.merge(tally);
  EXPECT_EQ(twice.attempts(), 14);
  EXPECT_EQ(twice.of(http::Problem::kSoldOut), 4);
}

TEST(ClaimHttp, NotesWhoIsTurnedAwayWithoutBeingToldUntilWhen) {
  const std::string busy = problem_body(http::Problem::kBusy);
  Tally tally;
  for (const int retry_after_s : {-1, 0, 2}) {
    const bench::Response response{bench::Fate::kAnswered, 503, busy, retry_after_s, {}};
    tally.count(read_claim_answer(response, 42), response);
  }
  EXPECT_EQ(tally.of(http::Problem::kBusy), 3);
  EXPECT_EQ(tally.without_retry_after, 1);
  Tally twice = tally;
  twice.merge(tally);
  EXPECT_EQ(twice.without_retry_after, 2);
}

TEST(Campaigns, ReplayMakesACouponForEachInTheFile) {
  std::vector<Receipt> receipts = {{1, 70, 20160701}, {2, 70, 20160701}, {1, 80, 20160701},
                                   {3, 70, 20160702}, {4, 70, 20160702}, {4, 70, 20160703}};
  Campaign campaign = replay_campaign(receipts, 0.8, 2);
  ASSERT_EQ(campaign.coupons.size(), 2u);
  EXPECT_EQ(campaign.coupons[0].total, 4);  // 0.8 x 5, exactly
  EXPECT_EQ(campaign.coupons[1].total, 1);  // never none
  EXPECT_EQ(campaign.coupons[0].user_limit, 2);
  ASSERT_EQ(campaign.claims.size(), receipts.size());
  EXPECT_EQ(campaign.claims[2].coupon, 1u);
  EXPECT_EQ(campaign.claims[5].user_id, 4);
}

TEST(Campaigns, ReplayRoundsDownWhateverTheDoublesSay) {
  for (int tenths = 1; tenths <= 10; ++tenths)
    for (int size = 1; size <= 300; ++size) {
      std::vector<Receipt> receipts(static_cast<std::size_t>(size), Receipt{1, 1, 20160701});
      Campaign campaign = replay_campaign(receipts, tenths / 10.0, 1);
      EXPECT_EQ(campaign.coupons[0].total, std::max(1, tenths * size / 10)) << tenths << " " << size;
    }
}

TEST(Campaigns, StormSharesTheClaimsAmongItsUsers) {
  Campaign campaign = storm_campaign({500, 10'000, 100, 3, 1});
  ASSERT_EQ(campaign.claims.size(), 10'000u);
  std::map<std::int64_t, int> claims;
  for (const PlannedClaim& claim : campaign.claims) ++claims[claim.user_id];
  EXPECT_EQ(claims.size(), 500u);
  for (const auto& [user, count] : claims) EXPECT_EQ(count, 20);
}

/// The judge itself: one claim after the other.
std::map<std::int64_t, std::int64_t> judge_one_by_one(const std::vector<ClaimOrder>& orders,
                                                      const std::map<std::int64_t, CouponTerms>& terms) {
  std::map<std::int64_t, std::int64_t> accepted;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> held;
  for (const auto& [coupon, unused] : terms) accepted[coupon] = 0;
  for (const ClaimOrder& order : orders) {
    const CouponTerms& coupon = terms.at(order.coupon_id);
    std::int64_t& mine = held[{order.coupon_id, order.user_id}];
    if (mine >= coupon.user_limit || accepted[order.coupon_id] >= coupon.total) continue;
    ++mine;
    ++accepted[order.coupon_id];
  }
  return accepted;
}

TEST(Judge, AgreesWithOneClaimAfterTheOther) {
  std::mt19937 engine(3);
  auto random = [&](int most) { return std::uniform_int_distribution<std::int64_t>(1, most)(engine); };
  for (int round = 0; round < 200; ++round) {
    std::map<std::int64_t, CouponTerms> terms;
    for (std::int64_t coupon = 1; coupon <= 5; ++coupon) terms[coupon] = {random(30), random(3)};
    std::vector<ClaimOrder> orders;
    for (int i = 0; i < 100; ++i) orders.push_back({random(4), random(20)});
    EXPECT_EQ(sequential_judge(orders, terms), judge_one_by_one(orders, terms));
  }
}

class JudgedRun : public testing::Test {
 protected:
  std::vector<ClaimOrder> orders_ = {{9, 1}, {9, 2}, {9, 3}};
  std::vector<CouponPlan> plans_ = {{"x", 2, 1}};
  ClaimRunReport run_;
  void accept(std::int64_t user) { run_.acknowledged.push_back({{9, 1, {1, user}, 0}, user}); }
  std::vector<operations::Violation> judge() { return judge_accepted(orders_, run_, {9}, plans_); }
};

TEST_F(JudgedRun, HoldsWhenAsManyAreAcceptedAsThereAreUnits) {
  accept(1), accept(3);
  EXPECT_TRUE(judge().empty());
}

TEST_F(JudgedRun, IsViolatedByOneTooFewAndOneTooMany) {
  accept(1);
  ASSERT_EQ(judge().size(), 1u);
  EXPECT_EQ(judge()[0].invariant, 5);
  EXPECT_EQ(judge()[0].coupon_id, 9);
  accept(2), accept(3);
  ASSERT_EQ(judge().size(), 1u);
  EXPECT_EQ(judge()[0].count, 1);
}

TEST_F(JudgedRun, LeavesRoomOnlyForWhatWasNeverLearntOfThatCoupon) {
  accept(1);
  run_.unlearnt[8] = 5;
  EXPECT_EQ(judge().size(), 1u);
  run_.unlearnt[9] = 1;
  EXPECT_TRUE(judge().empty());
}

TEST(Tally, ComplainsOfAnswersThatSayNothingOfASale) {
  const auto of = [](http::Problem problem) {
    Tally tally;
    tally.refused[static_cast<std::size_t>(problem)] = 5;
    return tally;
  };
  EXPECT_NE(Tally{}.complaint(), "") << "nothing was answered";
  for (const auto problem : {http::Problem::kSoldOut, http::Problem::kLimitReached, http::Problem::kEnded,
                             http::Problem::kPaused, http::Problem::kNotStarted})
    EXPECT_EQ(of(problem).complaint(), "") << http::problem_code(problem);
  for (const auto problem : {http::Problem::kBusy, http::Problem::kNotReady, http::Problem::kRateLimited}) {
    Tally tally = of(problem);
    EXPECT_NE(tally.complaint(), "") << http::problem_code(problem);
    tally.accepted = 1;
    EXPECT_EQ(tally.complaint(), "") << http::problem_code(problem);
  }
  for (const auto problem : {http::Problem::kCouponNotFound, http::Problem::kUnauthenticated, http::Problem::kInternal,
                             http::Problem::kInvalidRequest}) {
    Tally tally = of(problem);
    tally.accepted = 1;
    EXPECT_NE(tally.complaint().find(http::problem_code(problem)), std::string::npos);
  }
}

}  // namespace
}  // namespace flashclaim::bench
