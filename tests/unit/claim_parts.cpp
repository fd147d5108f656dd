// The parts of the claim handler that need no Redis: paths, the two switches, the bytes of a batch.
#include <gtest/gtest.h>

#include <string>

#include "engine/claim/batch.h"
#include "engine/claim/long_poll.h"
#include "engine/claim/outcome.h"
#include "engine/claim/route.h"
#include "engine/claim/view.h"

namespace flashclaim::claim {
namespace {

using http::Problem;

TEST(ParseTarget, KnowsThePathsOfTheApi) {
  EXPECT_EQ(parse_target("/coupons/42/receive").route, Route::kReceive);
  EXPECT_EQ(parse_target("/coupons/42/receive").id, "42");
  EXPECT_EQ(parse_target("/coupons/42").route, Route::kCouponView);
  EXPECT_EQ(parse_target("/claims/42-1-2-3-4").route, Route::kClaimView);
  EXPECT_EQ(parse_target("/claims/42-1-2-3-4").id, "42-1-2-3-4");
  for (const char* none : {"/", "/coupons", "/coupons/", "/coupons/42/", "/coupons/42/receive/", "/coupons/42/receivex",
                           "/coupons/42/x/receive", "/claims", "/claims/", "/claims/1/2", "/COUPONS/42", "*"})
    EXPECT_EQ(parse_target(none).route, Route::kNone) << none;
}

TEST(ProblemOfError, AnErrorThatIsNotKnownToComeBeforeTheFunctionIsUnknown) {
  EXPECT_EQ(problem_of_error("OOM command not allowed when used memory > 'maxmemory'."), Problem::kBusy);
  EXPECT_EQ(problem_of_error("LOADING Redis is loading the dataset in memory"), Problem::kNotReady);
  EXPECT_EQ(problem_of_error("ERR Function not found"), Problem::kNotReady);
  EXPECT_EQ(problem_of_error("DAMAGED stock"), Problem::kInternal);
  EXPECT_EQ(problem_of_error("ERR user_function: attempt to index a nil value"), Problem::kOutcomeUnknown);
  EXPECT_EQ(problem_of_error("OOMPH"), Problem::kOutcomeUnknown);
  EXPECT_EQ(problem_of_error(""), Problem::kOutcomeUnknown);
}

TEST(Batch, IsTheFcallOfItsClaims) {
  Batch batch;
  batch.begin(redis::CouponKeys(42));
  batch.add({}, "7", "");
  batch.add({}, "1234567890", "key_1");
  EXPECT_EQ(batch.command(),
            "*9\r\n$5\r\nFCALL\r\n$5\r\nclaim\r\n$1\r\n4\r\n$15\r\nprs:coupon:{42}\r\n$17\r\ncoupon:stock:{42}\r\n"
            "$18\r\ncoupon:claims:{42}\r\n$12\r\ncoupon:ready\r\n$1\r\n7\r\n$16\r\n1234567890:key_1\r\n");
  batch.begin(redis::CouponKeys(1));
  EXPECT_TRUE(batch.waiters().empty());
  for (std::size_t i = 0; i < redis::kClaimBatchMax; ++i) {
    EXPECT_FALSE(batch.full());
    batch.add({}, "9223372036854775807", "");
  }
  EXPECT_TRUE(batch.full());
  EXPECT_EQ(batch.command().substr(0, 6), "*263\r\n");
}

TEST(ClaimJson, SaysEachState) {
  const ClaimId claim{42, 1, {1795380024805, 0}, 3};
  EXPECT_EQ(claim_json(claim, {redis::ClaimState::kPending, 7, ""}),
            R"({"claimId":"42-1-1795380024805-0-3","couponId":"42","status":"pending"})");
  EXPECT_EQ(claim_json(claim, {redis::ClaimState::kSettled, 7, ""}),
            R"({"claimId":"42-1-1795380024805-0-3","couponId":"42","status":"settled"})");
  EXPECT_EQ(claim_json(claim, {redis::ClaimState::kRefused, 7, "over_limit"}),
            R"({"claimId":"42-1-1795380024805-0-3","couponId":"42","status":"refused","reason":"over_limit"})");
}

TEST(ParseWait, TakesWholeSecondsUpToThirty) {
  EXPECT_EQ(parse_wait(""), 0);
  EXPECT_EQ(parse_wait("await=5s&x"), 0);
  EXPECT_EQ(parse_wait("wait=0s"), 0);
  EXPECT_EQ(parse_wait("wait=5s"), 5000);
  EXPECT_EQ(parse_wait("a=b&wait=30s"), 30000);
  for (const char* bad : {"wait", "wait=", "wait=s", "wait=5", "wait=31s", "wait=-1s", "wait=+1s", "wait=05s",
                          "wait=5ms", "wait=1.5s", "wait=1s&wait=1s", "wait=99999999999999999999s"})
    EXPECT_EQ(parse_wait(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace flashclaim::claim
