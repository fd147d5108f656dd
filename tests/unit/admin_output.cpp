// What a command prints: tables for people, one JSON object for programs.
#include <gtest/gtest.h>

#include "engine/base/json.h"
#include "engine/cli/line_diff.h"
#include "engine/cli/output.h"
#include "engine/operations/user_keys.h"

namespace flashclaim::cli {
namespace {

TEST(Output, AlignsNamesAndTables) {
  Document document;
  document.add("couponId", Cell::id(42)).add("left", Cell::number(7));
  document.add("events",
               Table{{"name", "version"}, {{Cell::text("a"), Cell::number(1)}, {Cell::none(), Cell::number(12)}}});
  EXPECT_EQ(document.plain(false),
            "coupon id  42\n"
            "left       7\n"
            "\n"
            "events:\n"
            "name  version\n"
            "a           1\n"
            "-          12\n");
}

TEST(Output, SaysThatATableIsEmpty) {
  Document document;
  document.add("deadLetters", Table{{"couponId"}, {}});
  EXPECT_EQ(document.plain(false), "dead letters: none\n");
  EXPECT_EQ(document.json_members(), "\"deadLetters\":[]");
}

TEST(Output, ColourOnlyDecorates) {
  Document document;
  document.add("left", Cell::number(7));
  document.add("rows", Table{{"name"}, {{Cell::text("a")}}});
  std::string coloured = document.plain(true);
  EXPECT_NE(coloured, document.plain(false));
  for (const std::string code : {"\033[0m", "\033[1m", "\033[2m"}) {
    for (auto at = coloured.find(code); at != coloured.npos; at = coloured.find(code)) coloured.erase(at, code.size());
  }
  EXPECT_EQ(coloured, document.plain(false));
}

TEST(Output, JsonKeepsIdsAsStringsAndNumbersAsNumbers) {
  Document document;
  document.add("couponId", Cell::id(INT64_MAX))
      .add("left", Cell::number(-3))
      .add("loaded", Cell::flag(true))
      .add("reason", Cell::none())
      .add_json("changed", Cell::flag(false));
  EXPECT_EQ(document.json_members(),
            "\"couponId\":\"9223372036854775807\",\"left\":-3,\"loaded\":true,\"reason\":null,\"changed\":false");
  EXPECT_EQ(document.plain(false).find("changed"), std::string::npos);
}

TEST(Output, TextFromOutsideCannotForgeALineOrALiteral) {
  Document document;
  document.add("name", Cell::text("a\nleft  9\033[31m\x01\"\\\xff"
                                  "\xc2\x9b"));
  EXPECT_EQ(document.plain(false), "name  a?left  9?[31m?\"\\??\n");
  EXPECT_EQ(document.json_members(), "\"name\":\"a\\u000aleft  9\\u001b[31m\\u0001\\\"\\\\\\ufffd\\u009b\"");
}

TEST(Output, CountsTheColumnsOfEastAsianText) {
  Document document;
  document.add("coupons", Table{{"name", "left"},
                                {{Cell::text("优惠券"), Cell::number(1)}, {Cell::text("abc"), Cell::number(2)}}});
  EXPECT_EQ(document.plain(false), "name    left\n优惠券     1\nabc        2\n");
}

TEST(JsonString, RefusesBrokenUtf8ByteByByte) {
  EXPECT_EQ(json_string("\xc0\xaf"), "\"\\ufffd\\ufffd\"");             // overlong
  EXPECT_EQ(json_string("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");  // a surrogate
  EXPECT_EQ(json_string("\xf0\x9f\x8e\x81"), "\"\xf0\x9f\x8e\x81\"");
  EXPECT_EQ(json_string("\xe4\xbc"), "\"\\ufffd\\ufffd\"");  // cut off
}

std::string diff_text(std::string_view before, std::string_view after) {
  std::string text;
  for (const LineChange& change : line_diff(before, after)) {
    text += (change.added ? "+" : "-") + std::to_string(change.line) + ":" + change.text + " ";
  }
  return text;
}

TEST(LineDiff, FindsAShortestListOfChanges) {
  EXPECT_EQ(diff_text("a\nb\nc\n", "a\nb\nc\n"), "");
  EXPECT_EQ(diff_text("a\nb\nc\n", "a\nx\nc\n"), "-2:b +2:x ");
  EXPECT_EQ(diff_text("a\nc\n", "a\nb\nc\n"), "+2:b ");
  EXPECT_EQ(diff_text("a\nb\nc\nd\n", "b\nd\n"), "-1:a -3:c ");
  EXPECT_EQ(diff_text("", "a\n"), "+1:a ");
  EXPECT_EQ(diff_text("a", ""), "-1:a ");
  EXPECT_EQ(diff_text("a\na\na\n", "a\na\n").size(), 5U);
}

TEST(UserKeys, AreParsedStrictly) {
  EXPECT_EQ(operations::parse_user_key("prs:coupon:{42}:prs:usr:coupon:7"),
            std::pair(std::int64_t{42}, std::int64_t{7}));
  for (const char* key : {"prs:coupon:{42}", "prs:coupon:{42}:prs:usr:coupon:", "prs:coupon:{042}:prs:usr:coupon:7",
                          "prs:coupon:42:prs:usr:coupon:7", "prs:coupon:{42}:prs:usr:coupon:7x", ""}) {
    EXPECT_FALSE(operations::parse_user_key(key)) << key;
  }
}

}  // namespace
}  // namespace flashclaim::cli
