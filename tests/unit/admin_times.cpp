// Times as an operator writes them.
#include <gtest/gtest.h>

#include "engine/base/rfc3339.h"
#include "engine/cli/output.h"
#include "engine/cli/times.h"

namespace flashclaim::cli {
namespace {

constexpr std::int64_t kNow = 1'795'380'024'805;

TEST(ParseRfc3339, TakesEveryOffset) {
  EXPECT_EQ(parse_rfc3339("2026-11-24T09:00:00Z"), 1'795'510'800'000);
  EXPECT_EQ(parse_rfc3339("2026-11-24t09:00:00z"), 1'795'510'800'000);
  EXPECT_EQ(parse_rfc3339("2026-11-24 17:00:00+08:00"), 1'795'510'800'000);
  EXPECT_EQ(parse_rfc3339("2026-11-23T23:30:00-09:30"), 1'795'510'800'000);
}

TEST(ParseRfc3339, KeepsMilliseconds) {
  EXPECT_EQ(parse_rfc3339("2026-11-24T09:00:00.5Z"), 1'795'510'800'500);
  EXPECT_EQ(parse_rfc3339("2026-11-24T09:00:00.123456789Z"), 1'795'510'800'123);
}

TEST(ParseRfc3339, KnowsTheCalendar) {
  EXPECT_TRUE(parse_rfc3339("2028-02-29T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2026-02-29T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2026-04-31T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2026-13-01T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2026-00-01T00:00:00Z"));
}

TEST(ParseRfc3339, RefusesWhatIsNone) {
  for (const char* text : {"", "now", "2026-11-24", "2026-11-24T09:00Z", "2026-11-24T09:00:00", "2026-11-24T24:00:00Z",
                           "2026-11-24T09:60:00Z", "2026-11-24T09:00:60Z", "2026-11-24T09:00:00.Z",
                           "2026-11-24T09:00:00+24:00", "2026-11-24T09:00:00+0800", "2026-11-24T09:00:00Z ",
                           " 2026-11-24T09:00:00Z", "1970-01-01T00:00:00Z", "1795510800", "1795510800000"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(ParseRfc3339, IsTheInverseOfPrinting) {
  for (const std::int64_t ms : {kNow, std::int64_t{1'000'000'000'000}, std::int64_t{4'102'444'799'999}}) {
    EXPECT_EQ(parse_rfc3339(rfc3339(ms)), ms);
  }
}

TEST(ParseDuration, KnowsItsUnits) {
  EXPECT_EQ(parse_duration("+90s"), 90'000);
  EXPECT_EQ(parse_duration("+30m"), 1'800'000);
  EXPECT_EQ(parse_duration("+1h"), 3'600'000);
  EXPECT_EQ(parse_duration("+7d"), 604'800'000);
}

TEST(ParseDuration, RefusesWhatIsNone) {
  for (const char* text : {"", "+", "+h", "1h", "-1h", "+0h", "+01h", "+1", "+1w", "+1.5h", "+1h ", "+4000d",
                           "+99999999999999999999s", "+9223372036854775807d"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(ParseEnd, CountsFromTheBeginning) {
  EXPECT_EQ(parse_begin("now", kNow), kNow);
  EXPECT_FALSE(parse_begin("+1h", kNow));
  EXPECT_EQ(parse_end("+1h", kNow), kNow + 3'600'000);
  EXPECT_EQ(parse_end("2026-11-24T09:00:00Z", kNow), 1'795'510'800'000);
  EXPECT_FALSE(parse_end("now", kNow));
}

}  // namespace
}  // namespace flashclaim::cli
