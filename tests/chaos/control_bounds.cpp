// Negative controls of the total and of the user limit. Redis holds both, and the database holds them again: each alone
// would do, so the other is out in both runs.
#include "tests/chaos/control_world.h"

namespace flashclaim::chaos {
namespace {

constexpr std::string_view kRoom = " AND issue_num + line.claims <= total_num";

class ControlBounds : public Control {
 protected:
  static constexpr std::int64_t kTotal = 5;

  // Each guard by itself; the flag: in both runs, not only in that without the guard.
  void redis_without_the_total(bool always) {
    out_of_lua(always, "    elseif left <= accepted then\n", "    elseif left <= accepted - 1000 then\n");
  }
  void redis_without_the_limit(bool always) {
    out_of_lua(always, "    elseif counts[user] >= limit then\n", "    elseif counts[user] >= limit + 1000 then\n");
  }
  void database_without_the_total(bool always) {
    if (always || removed()) sql("ALTER TABLE coupon DROP CONSTRAINT coupon_never_oversold");
    out_of_sql(always, "count_issued", {{kRoom, ""}});
    out_of_sql(always, "judge_claims", {{"admissible AND place <= remaining THEN", "admissible THEN"}});
  }
  void database_without_the_limit(bool always) {
    out_of_sql(always, "judge_claims",
               {{"current AND nth <= user_limit AS admissible", "current AS admissible"},
                {"count(*) FILTER (WHERE current AND nth <= user_limit)", "count(*) FILTER (WHERE current)"}});
  }

  /// More users than there are units.
  void sell_out() {
    const auto coupon = open_and_claim(kTotal, {1, 2, 3, 4, 5, 6, 7, 8});
    verdict_at_rest(coupon, 1, "oversold: 8 claims are settled, the total is 5");
  }
  /// More claims of a user than one may have.
  void exceed_the_limit() {
    const auto coupon = open_and_claim(100, {7, 7, 7, 8});
    verdict_at_rest(coupon, 2, "1 users hold more than 1 each: user 7 has 3");
  }

 private:
  void out_of_lua(bool always, std::string_view text, std::string_view by) {
    always ? always_without_lua(text, by) : without_lua(text, by);
  }
  void out_of_sql(bool always, std::string_view function, const Edits& edits) {
    always ? always_without_sql(function, edits) : without_sql(function, edits);
  }
  std::int64_t open_and_claim(std::int64_t total, const std::vector<std::int64_t>& users) {
    without("");
    engine_ = engine();
    const auto coupon = open_coupon(total, 1);
    claim_for(coupon, users);
    return coupon;
  }
  void verdict_at_rest(std::int64_t coupon, int invariant, std::string_view words) {
    consumer_ = consumer({"--workers=1"});
    EXPECT_TRUE(wait_until([&] { return redis_number({"XLEN", redis::CouponKeys(coupon).claims}) == 0; }));
    await_rest();
    verdict(invariant, words);
  }
};

TEST_P(ControlBounds, ClaimHoldsTheTotal) {
  redis_without_the_total(false);
  database_without_the_total(true);
  sell_out();
}

TEST_P(ControlBounds, SettleHoldsTheTotal) {
  redis_without_the_total(true);
  database_without_the_total(false);
  sell_out();
}

TEST_P(ControlBounds, ClaimHoldsTheUserLimit) {
  redis_without_the_limit(false);
  database_without_the_limit(true);
  exceed_the_limit();
}

TEST_P(ControlBounds, SettleHoldsTheUserLimit) {
  redis_without_the_limit(true);
  database_without_the_limit(false);
  exceed_the_limit();
}

FLASHCLAIM_CONTROL(ControlBounds);

}  // namespace
}  // namespace flashclaim::chaos
