// The messages of settlement events, byte for byte: their format is a contract.
#include <gtest/gtest.h>

#include "consumer/event_message.h"

namespace flashclaim::consumer {
namespace {

postgres::SettlementEvent event(std::int64_t batch, std::int64_t coupon, int index, std::string outcome) {
  return {batch, 1795380024990, {coupon, 1, {1795380024805, 0}, index}, 7, std::move(outcome)};
}

TEST(EventMessage, IsOneForEachBatchCouponAndKind) {
  const std::vector<postgres::SettlementEvent> events = {event(5, 42, 0, "settled"),      event(5, 42, 1, "settled"),
                                                         event(5, 42, 2, "out_of_stock"), event(5, 42, 3, "over_limit"),
                                                         event(5, 43, 0, "settled"),      event(6, 43, 1, "settled")};
  const auto messages = event_messages(events);
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(messages[0].routing_key, "coupon.settled");
  EXPECT_EQ(messages[0].message_id, "event-5-42-settled");
  EXPECT_EQ(messages[0].body,
            R"({"v":1,"type":"coupon.settled","couponId":"42","decidedAtMs":1795380024990,"claims":[)"
            R"({"claimId":"42-1-1795380024805-0-0","userId":"7"},{"claimId":"42-1-1795380024805-0-1","userId":"7"}]})");
  EXPECT_EQ(messages[1].routing_key, "coupon.refused");
  EXPECT_EQ(messages[1].message_id, "event-5-42-refused");
  EXPECT_EQ(messages[1].body, R"({"v":1,"type":"coupon.refused","couponId":"42","decidedAtMs":1795380024990,"claims":[)"
                              R"({"claimId":"42-1-1795380024805-0-2","userId":"7","reason":"out_of_stock"},)"
                              R"({"claimId":"42-1-1795380024805-0-3","userId":"7","reason":"over_limit"}]})");
  EXPECT_EQ(messages[2].message_id, "event-5-43-settled");
  EXPECT_EQ(messages[3].message_id, "event-6-43-settled");
}

TEST(EventMessage, IsNoneForNothing) { EXPECT_TRUE(event_messages({}).empty()); }

}  // namespace
}  // namespace flashclaim::consumer
