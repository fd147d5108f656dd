// The strict reader of receipts.
#include <gtest/gtest.h>

#include <string>

#include "bench/receipts.h"

namespace flashclaim::bench {
namespace {

constexpr const char* kHead = "user_id,coupon_id,date_received\n";

std::string error_of(const std::string& text) {
  auto receipts = parse_receipts(text);
  return receipts ? "no error" : receipts.error().message;
}

TEST(Receipts, ReadsEveryLineInOrder) {
  auto receipts = parse_receipts(std::string(kHead) + "3649795,10418,20160701\n7,9223372036854775807,20160229\n");
  ASSERT_TRUE(receipts) << receipts.error().message;
  ASSERT_EQ(receipts->size(), 2u);
  EXPECT_EQ(receipts->at(0), (Receipt{3649795, 10418, 20160701}));
  EXPECT_EQ(receipts->at(1), (Receipt{7, INT64_MAX, 20160229}));
}

TEST(Receipts, MayEndWithoutALineFeed) {
  auto receipts = parse_receipts(std::string(kHead) + "1,2,20160701");
  ASSERT_TRUE(receipts);
  EXPECT_EQ(receipts->size(), 1u);
}

TEST(Receipts, NamesTheLineThatIsWrong) {
  std::string good = std::string(kHead) + "1,2,20160701\n";
  EXPECT_EQ(error_of(good + "x,2,20160701\n"), "line 3: user_id 'x' is not an id (1 to 2^63-1)");
  EXPECT_EQ(error_of(good + good), "line 3: user_id 'user_id' is not an id (1 to 2^63-1)");
  EXPECT_EQ(error_of(good + "1,007,20160701\n"), "line 3: coupon_id '007' is not an id (1 to 2^63-1)");
  EXPECT_EQ(error_of(good + "1, 7,20160701\n"), "line 3: coupon_id ' 7' is not an id (1 to 2^63-1)");
  EXPECT_EQ(error_of(good + "0,7,20160701\n"), "line 3: user_id '0' is not an id (1 to 2^63-1)");
  EXPECT_EQ(error_of(good + "1,9223372036854775808,20160701\n"),
            "line 3: coupon_id '9223372036854775808' is not an id (1 to 2^63-1)");
  EXPECT_EQ(error_of(good + "1,2\n"), "line 3: 2 fields instead of 3 in '1,2'");
  EXPECT_EQ(error_of(good + "1,2,20160701,\n"), "line 3: 4 fields instead of 3 in '1,2,20160701,'");
  EXPECT_EQ(error_of(good + "\n1,2,20160701\n"), "line 3: empty");
  EXPECT_EQ(error_of(good + "1,2,20160701\r\n"), "line 3: ends with a carriage return: lines end with LF only");
  EXPECT_EQ(error_of(good + "1,2,\x01\n"), "line 3: date_received '?' is not a day as YYYYMMDD");
}

TEST(Receipts, KnowsTheCalendar) {
  for (const char* day : {"20160230", "20150229", "20161301", "20160001", "20160100", "2016-07-01", "160701", "0", "",
                          "201607011", "+2016070"})
    EXPECT_EQ(error_of(std::string(kHead) + "1,2," + day + "\n"),
              "line 2: date_received '" + std::string(day) + "' is not a day as YYYYMMDD");
}

TEST(Receipts, RefusesAFileWithoutTheHeaderOrWithoutReceipts) {
  EXPECT_EQ(error_of(""), "empty: the first line must be 'user_id,coupon_id,date_received'");
  EXPECT_EQ(error_of(kHead), "no receipt below the header");
  EXPECT_EQ(error_of("1,2,20160701\n"),
            "line 1: '1,2,20160701' instead of the header 'user_id,coupon_id,date_received'");
  EXPECT_EQ(error_of("\xEF\xBB\xBFuser_id,coupon_id,date_received\n1,2,20160701\n"),
            "begins with a byte order mark (EF BB BF): save it as UTF-8 without one");
}

TEST(Receipts, ErrorsOfAFileBeginWithItsPath) {
  auto missing = read_receipts("/nonexistent/receipts.csv");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "/nonexistent/receipts.csv: No such file or directory");
}

}  // namespace
}  // namespace flashclaim::bench
