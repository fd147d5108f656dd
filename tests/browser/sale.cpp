// The sale page in headless Chromium against the real stack; what the page does is in sale_*.mjs.
#include <cstdlib>

#include "tests/browser/world.h"
#include "tests/harness/folder.h"

namespace flashclaim {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

class SalePage : public BrowserWorld {
 protected:
  void play(const std::string& scenario, std::int64_t coupon) {
    harness::Environment environment{{"COUPON", std::to_string(coupon)},
                                     {"KEPT", harness::run_folder() + "/kept.json"}};
    if (const char* shots = std::getenv("SHOTS")) environment["SHOTS"] = shots;
    node("sale.mjs", {scenario}, environment);
  }
  void end(std::int64_t coupon) {
    const auto ended = operations::end_coupon(redis(), pg(), coupon);
    ASSERT_TRUE(ended && ended->ok());
  }
  void expect_settled(std::int64_t coupon, std::int64_t rows) {
    await_rest();
    EXPECT_EQ(counts(coupon).rows, rows);
    expect_invariants();
  }
};

TEST_F(SalePage, ClaimsByKeyboardAndFollowsToTheEnd) {
  const auto id = coupon(10, -1000, kHourMs);
  play("claim", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, TakesADoubleClickForOne) {
  const auto id = coupon(10, -1000, kHourMs);
  play("doubleClick", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, AsksAgainWithTheSameKeyWhenTheAnswerIsLost) {
  const auto id = coupon(10, -1000, kHourMs);
  play("lostAnswer", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, TakesARefusalThatItDoesNotKnowForOne) {
  const auto id = coupon(10, -1000, kHourMs);
  play("unknownRule", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, SaysThatItIsSoldOut) {
  const auto id = coupon(1, -1000, kHourMs);
  ASSERT_EQ(claim(id, 7).status, 202);
  play("soldOut", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, KnowsWhatTheUserHasAlready) {
  const auto id = coupon(10, -1000, kHourMs);
  ASSERT_EQ(claim(id, 7).status, 202);
  play("limit", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, OpensOnTheServersClockWithoutAReload) {
  const auto id = coupon(10, 30'000, kHourMs);
  play("opens", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, TellsTheWinnerOfTheLastUnitThatItIsHis) {
  const auto id = open_coupon(1, 2);
  play("winnerReloads", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, AsksAboutAKeptKeyAfterTheEndOfTheSale) {
  const auto id = open_coupon(10, 2);
  play("losesTheAnswer", id);
  end(id);
  play("asksAfterTheEnd", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, TellsWhoHoldsACouponThatHeDoesAfterTheEnd) {
  const auto one = open_coupon(10, 1);
  const auto two = open_coupon(10, 2);
  for (const auto id : {one, two}) {
    ASSERT_EQ(claim(id, 7).status, 202);
    end(id);
  }
  play("holderAfterTheEnd", one);
  play("holderOfOneAfterTheEnd", two);
  expect_settled(one, 1);
}

TEST_F(SalePage, OffersASecondAfterTheFirstIsSettled) {
  const auto id = open_coupon(10, 2);
  play("claimsTwo", id);
  expect_settled(id, 2);
}

TEST_F(SalePage, TakesUpNothingForAnotherPerson) {
  const auto id = open_coupon(10, 2);
  play("anotherPerson", id);
  expect_settled(id, 1);
  play("anotherPersonMeanwhile", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, WorksInABrowserThatIsYearsOld) {
  const auto id = coupon(10, -1000, kHourMs);
  play("olderBrowser", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, TellsOtherTabsAtOnce) {
  const auto id = coupon(10, -1000, kHourMs);
  play("twoTabs", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, SaysThatTheClaimStandsWhileItsConfirmationIsLate) {
  const auto id = coupon(10, -1000, kHourMs);
  play("confirmationIsLate", id);
  expect_settled(id, 1);
}

TEST_F(SalePage, CallsAFaultAFaultAndAWrongSignInWrong) { play("faults", coupon(10, -1000, kHourMs)); }

TEST_F(SalePage, ShowsAPageWhereThereIsNoSaleAndWithoutScript) {
  const auto id = coupon(10, -1000, kHourMs);
  play("missingPages", id);
  play("withoutScript", id);
}

TEST_F(SalePage, SaysThatItTakesLongWhenItsScriptNeverLoads) { play("scriptNeverLoads", coupon(10, -1000, kHourMs)); }

TEST_F(SalePage, FitsSmallScreensAndWritesNumbersAndTimesAsReadersDo) {
  play("layouts", coupon(12'000, 50 * kHourMs, 80 * kHourMs));
}

TEST_F(SalePage, PutsItsClockRightAfterASleep) { play("sleptClock", coupon(10, kHourMs, 2 * kHourMs)); }

TEST_F(SalePage, SaysSoonThatTheShopDoesNotAnswer) { play("deadFirstLoad", coupon(10, -1000, kHourMs)); }

TEST_F(SalePage, LooksAgainWhenThereIsAReason) { play("looksWithReason", coupon(10, -1000, kHourMs)); }

TEST_F(SalePage, AsksForTheCouponOnItsThirdTrip) { play("fewTrips", coupon(10, -1000, kHourMs)); }

}  // namespace
}  // namespace flashclaim
