// The parts of coupon pages that need no Redis: paths, texts, tags, origins, queries.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <string>

#include "engine/http/cors.h"
#include "engine/http/query.h"
#include "engine/pages/accept.h"
#include "engine/pages/coupon_text.h"
#include "engine/pages/target.h"
#include "engine/redis/finished.h"
#include "tests/harness/paths.h"

namespace flashclaim {
namespace {

http::Request request_with(std::initializer_list<http::Header> headers) {
  http::Request request;
  for (const http::Header& header : headers) request.headers[request.headers_n++] = header;
  return request;
}

redis::CouponView a_view() {
  redis::CouponView view;
  view.name = "\"half\" off";
  view.status = "issuing";
  view.begin_ms = 1;
  view.end_ms = 2;
  view.total = 10;
  view.left = 4;
  view.user_limit = 1;
  view.version = 7;
  return view;
}

TEST(CouponJson, QuotesTheNameAndSaysWhatIsMineOnlyToWhoAsks) {
  EXPECT_EQ(pages::coupon_json(42, a_view(), 3, std::nullopt),
            R"({"couponId":"42","name":"\"half\" off","status":"issuing","beginsAtMs":1,"endsAtMs":2,"serverTimeMs":3,)"
            R"("total":10,"left":4,"userLimit":1})");
  EXPECT_EQ(pages::coupon_json(42, a_view(), 3, pages::Holder{INT64_MAX, 0}),
            R"({"couponId":"42","name":"\"half\" off","status":"issuing","beginsAtMs":1,"endsAtMs":2,"serverTimeMs":3,)"
            R"("total":10,"left":4,"userLimit":1,"userId":"9223372036854775807","mine":0})");
}

TEST(CouponTag, ChangesWithEverythingButTheClock) {
  const redis::CouponView view = a_view();
  const std::string tag = pages::coupon_tag(view, std::nullopt);
  EXPECT_NE(tag, pages::coupon_tag(view, pages::Holder{7, 0}));
  EXPECT_NE(pages::coupon_tag(view, pages::Holder{7, 1}), pages::coupon_tag(view, pages::Holder{7, 0}));
  EXPECT_NE(pages::coupon_tag(view, pages::Holder{8, 1}), pages::coupon_tag(view, pages::Holder{7, 1}));
  auto changed = view;
  changed.left = 3;
  EXPECT_NE(tag, pages::coupon_tag(changed, std::nullopt));
  changed = view;
  changed.version = 8;
  EXPECT_NE(tag, pages::coupon_tag(changed, std::nullopt));
  changed = view;
  changed.status = "ended";
  EXPECT_NE(tag, pages::coupon_tag(changed, std::nullopt));
  changed = view;
  changed.now_ms = 9;
  EXPECT_EQ(tag, pages::coupon_tag(changed, std::nullopt));
}

TEST(TagMatches, ComparesWeaklyInAList) {
  for (const char* match : {"W/\"a\"", "\"a\"", "*", "\"b\", W/\"a\"", "\"b\",\"a\"", " \"a\" "})
    EXPECT_TRUE(pages::tag_matches(match, "W/\"a\"")) << match;
  for (const char* none : {"", "\"b\"", "a", "W/\"A\"", "\"a", "**"})
    EXPECT_FALSE(pages::tag_matches(none, "W/\"a\"")) << none;
}

TEST(WantsHtml, IsTrueForReadersAndFalseForPrograms) {
  for (const char* reader :
       {"text/html", "TEXT/HTML;q=0.9", "application/json, text/html",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html;charset=utf-8;q=0.1"})
    EXPECT_TRUE(pages::wants_html(reader)) << reader;
  for (const char* program : {"", "*/*", "text/*", "application/json", "text/html;q=0", "text/html ; Q=0.000",
                              "text/htmlx", "xtext/html", ",;,", ";", "application/json;a=text/html"})
    EXPECT_FALSE(pages::wants_html(program)) << program;
}

TEST(ParsePage, KnowsThePathsOfThePages) {
  EXPECT_EQ(pages::parse_page("/coupons").page, pages::Page::kCoupons);
  EXPECT_EQ(pages::parse_page("/coupons/42").page, pages::Page::kCoupon);
  EXPECT_EQ(pages::parse_page("/coupons/42").id, "42");
  EXPECT_EQ(pages::parse_page("/coupons/42/receive").page, pages::Page::kReceive);
  EXPECT_EQ(pages::parse_page("/claims/1-2-3-4-5").page, pages::Page::kClaim);
  for (const char* none : {"/", "/coupons/", "/coupon", "/claims", "/Coupons"})
    EXPECT_EQ(pages::parse_page(none).page, pages::Page::kNone) << none;
}

/// A route that is served and not documented would be seen by nobody who asks what the document names.
TEST(ParsePage, KnowsThePathsOfTheDocumentAndNoOther) {
  std::ifstream file(harness::source_dir() + "/engine/http/openapi.yaml");
  const std::regex path_line("  (/[^:]*):");
  const std::regex parameter("\\{[^}]*\\}");
  std::set<pages::Page> documented;
  std::string line;
  for (std::smatch match; std::getline(file, line);) {
    if (!std::regex_match(line, match, path_line)) continue;
    const std::string path = std::regex_replace(match[1].str(), parameter, "1");
    EXPECT_NE(pages::parse_page(path).page, pages::Page::kNone) << path << " is not served";
    documented.insert(pages::parse_page(path).page);
  }
  for (int i = 0; i < static_cast<int>(pages::Page::kNone); ++i) {
    const auto page = static_cast<pages::Page>(i);
    if (page == pages::Page::kAsset || page == pages::Page::kServer) continue;  // of the page; of no resource
    EXPECT_TRUE(documented.contains(page))
        << "engine/http/openapi.yaml has no path for the enumerator " << i << " of pages::Page (from 0)";
  }
}

TEST(QueryParameter, CountsAndTakesTheFirst) {
  EXPECT_EQ(http::query_parameter("a=1&b=2&a=3", "a").count, 2);
  EXPECT_EQ(http::query_parameter("a=1&b=2&a=3", "a").value, "1");
  EXPECT_EQ(http::query_parameter("b=2", "a").count, 0);
  EXPECT_EQ(http::query_parameter("a&b=2", "a").count, 1);
  EXPECT_EQ(http::query_parameter("a&b=2", "a").value, "");
  EXPECT_EQ(http::query_parameter("&&=&aa=1", "a").count, 0);
}

TEST(CorsPolicy, KnowsOnlyTheOriginsOfItsList) {
  auto cors = http::Cors::of({"https://shop.example", "http://localhost:3000"});
  ASSERT_TRUE(cors);
  auto lines = [&](std::string_view origin) {
    return std::string(cors->lines(cors->match(request_with({{"Origin", origin}}))));
  };
  EXPECT_NE(lines("https://shop.example").find("Access-Control-Allow-Origin: https://shop.example\r\n"),
            std::string::npos);
  EXPECT_NE(lines("http://localhost:3000").find("Vary: Origin\r\n"), std::string::npos);
  for (const char* foreign : {"https://shop.example.evil", "http://shop.example", "null", "https://shop.example:443",
                              "https://SHOP.example", ""})
    EXPECT_EQ(lines(foreign), "Vary: Origin\r\n") << foreign;
  EXPECT_EQ(cors->match(request_with({{"Origin", "https://shop.example"}, {"Origin", "https://shop.example"}})), 0);
}

TEST(CorsPolicy, AnswersAPreflightOfAnAllowedOriginOnly) {
  auto cors = http::Cors::of({"https://shop.example"});
  ASSERT_TRUE(cors);
  const http::Header asks{"Access-Control-Request-Method", "POST"};
  const std::string lines = cors->preflight(request_with({{"Origin", "https://shop.example"}, asks}), "POST, OPTIONS");
  EXPECT_NE(lines.find("Access-Control-Allow-Methods: POST, OPTIONS\r\n"), std::string::npos);
  EXPECT_NE(lines.find("Idempotency-Key"), std::string::npos);
  EXPECT_NE(lines.find("Access-Control-Max-Age: 86400\r\n"), std::string::npos);
  EXPECT_EQ(cors->preflight(request_with({{"Origin", "https://evil.example"}, asks}), "POST"), "");
  EXPECT_EQ(cors->preflight(request_with({{"Origin", "https://shop.example"}}), "POST"), "");
  EXPECT_EQ(http::Cors().preflight(request_with({{"Origin", "https://shop.example"}, asks}), "POST"), "");
}

TEST(CorsPolicy, RefusesWhatNoBrowserSendsAsAnOrigin) {
  EXPECT_TRUE(http::Cors::of({"*"}));
  EXPECT_TRUE(http::Cors::of({"http://[::1]:8080"}));
  for (const char* bad : {"", "shop.example", "https://", "https://shop.example/", "https://shop.example/x",
                          "https://Shop.example", "https://a b", "://x", "https://x\r\nA: b"})
    EXPECT_FALSE(http::Cors::of({bad})) << bad;
  EXPECT_FALSE(http::Cors::of({"*", "https://shop.example"}));
}

TEST(FinishedMessage, GivesEachClaimOfTheEntryItsOutcome) {
  const auto finished = redis::parse_finished("1795380024805-3 2 7,9223372036854775807,8 settled,over_limit,settled");
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->entry, (EntryId{1795380024805, 3}));
  EXPECT_EQ(finished->epoch, 2);
  EXPECT_EQ(redis::outcome_of(*finished, 0)->state, redis::ClaimState::kSettled);
  EXPECT_EQ(redis::outcome_of(*finished, 1)->state, redis::ClaimState::kRefused);
  EXPECT_EQ(redis::outcome_of(*finished, 1)->user_id, INT64_MAX);
  EXPECT_EQ(redis::outcome_of(*finished, 1)->reason, "over_limit");
  EXPECT_EQ(redis::outcome_of(*finished, 2)->user_id, 8);
  EXPECT_FALSE(redis::outcome_of(*finished, 3));
  for (const char* bad : {"", "x", "1-2", "1-2 3", "1-2 3 7", "1-2 0 7 settled", "12 3 7 settled"})
    EXPECT_FALSE(redis::parse_finished(bad)) << bad;
}

TEST(FinishedChannel, NamesItsCoupon) {
  EXPECT_EQ(redis::finished_channel(42), "coupon:finished:{42}");
  EXPECT_EQ(redis::coupon_of_channel("coupon:finished:{42}"), 42);
  for (const char* bad : {"", "coupon:finished:{}", "coupon:finished:{042}", "coupon:finished:42", "other:{42}"})
    EXPECT_EQ(redis::coupon_of_channel(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace flashclaim
