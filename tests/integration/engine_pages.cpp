// Coupons as pages ask for them: the cache, lists, tags, CORS and OPTIONS, against a real Redis.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <vector>

#include "engine/loop/loop.h"
#include "engine/pages/coupon_cache.h"
#include "tests/integration/engine_world.h"

namespace flashclaim {
namespace {

class EnginePages : public EngineWorld {
 protected:
  std::uint64_t commands() const { return worker_->redis_counters().commands.value(); }
  static std::string as(std::int64_t user_id) { return "X-User-Id: " + std::to_string(user_id) + "\r\n"; }
  static bool has(const RawAnswer& answer, const std::string& text) {
    return answer.body.find(text) != std::string::npos;
  }
  RawAnswer options(const std::string& path, const std::string& headers = "") {
    return raw_request(worker_->port(), "OPTIONS", path, headers);
  }
};

TEST_F(EnginePages, AHammeredCouponCostsRedisNothing) {
  publish(coupon(42, 10, 1));
  start_engine();
  const auto before = commands();
  const auto began_ms = loop::now_ms();
  RawConnection connection(worker_->port());
  constexpr int kRounds = 100;
  constexpr int kEach = 50;
  for (int i = 0; i < kRounds; ++i) {
    std::string requests;
    for (int j = 0; j < kEach; ++j) requests += "GET /coupons/42 HTTP/1.1\r\nHost: x\r\nX-User-Id: 7\r\n\r\n";
    connection.send(requests);
    for (int j = 0; j < kEach; ++j) {
      auto answer = connection.answer();
      ASSERT_TRUE(answer);
      ASSERT_EQ(answer->status, 200);
    }
  }
  const auto moments = static_cast<std::uint64_t>((loop::now_ms() - began_ms) / pages::kFreshMs + 1);
  EXPECT_LE(commands() - before, 2 * moments + 2);
  EXPECT_LT(commands() - before, static_cast<std::uint64_t>(kRounds * kEach));
}

/// What this process, server and client, spent of its processors, in microseconds.
std::int64_t cpu_us() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1'000'000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

TEST_F(EnginePages, AnIdThatNobodyKnowsCostsNoMoreThanAnother) {
  publish(coupon(42, 10, 1));
  start_engine();
  RawConnection connection(worker_->port());
  std::int64_t unknown = 1'000'000;
  const auto ask = [&](bool for_unknown, int expected) {
    constexpr int kRounds = 20;
    constexpr int kEach = 1000;
    const std::int64_t before = cpu_us();
    for (int i = 0; i < kRounds; ++i) {
      std::string requests;
      for (int j = 0; j < kEach; ++j)
        requests += "GET /coupons/" + std::to_string(for_unknown ? ++unknown : 42) + " HTTP/1.1\r\nHost: x\r\n\r\n";
      connection.send(requests);
      for (int j = 0; j < kEach; ++j) {
        auto answer = connection.answer();
        EXPECT_TRUE(answer && answer->status == expected);
        if (!answer) return cpu_us() - before;
      }
    }
    return cpu_us() - before;
  };
  const std::int64_t known = ask(false, 200);
  EXPECT_LT(ask(true, 404), 6 * known);
  EXPECT_EQ(get("/coupons/42").status, 200);
}

TEST_F(EnginePages, AllWhoAskAtOnceShareOneCall) {
  PrivateRedis own;
  use(own);
  publish(coupon(42, 10, 1));
  start_engine();
  const auto before = commands();
  own.pause();
  std::vector<std::unique_ptr<RawConnection>> crowd;
  for (int i = 0; i < 50; ++i) {
    crowd.push_back(std::make_unique<RawConnection>(worker_->port()));
    crowd.back()->send("GET /coupons/42 HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  ASSERT_TRUE(wait_until([&] { return worker_->http_counters().requests.value() == 50; }));
  EXPECT_EQ(commands(), before + 1);
  own.resume();
  for (auto& client : crowd) {
    auto answer = client->answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
  }
  EXPECT_EQ(commands(), before + 1);
}

TEST_F(EnginePages, TellsEveryCallerItsOwnCount) {
  publish(coupon(42, 10, 2));
  start_engine();
  receive(42, 7);
  receive(42, 7);
  receive(42, 8);
  EXPECT_TRUE(has(get("/coupons/42", as(7)), R"("left":7,"userLimit":2,"userId":"7","mine":2})"));
  EXPECT_TRUE(has(get("/coupons/42", as(8)), R"("userId":"8","mine":1})"));
  EXPECT_TRUE(has(get("/coupons/42", as(9)), R"("userId":"9","mine":0})"));
  EXPECT_FALSE(has(get("/coupons/42"), "mine"));
  EXPECT_FALSE(has(get("/coupons/42"), "userId"));
  EXPECT_EQ(code(get("/coupons/42", "X-User-Id: x\r\n")), "INVALID_REQUEST");
}

TEST_F(EnginePages, SaysWhatMayBeKeptAndForHowLong) {
  publish(coupon(42, 10, 2));
  start_engine();
  const RawAnswer open = get("/coupons/42");
  EXPECT_EQ(open.headers.at("cache-control"), "public, max-age=1");
  EXPECT_EQ(open.headers.at("vary"), "X-User-Id, Authorization");
  EXPECT_EQ(get("/coupons/42", as(7)).headers.at("cache-control"), "private, no-cache");
  EXPECT_EQ(receive(42, 7).headers.at("cache-control"), "no-store");
  EXPECT_EQ(get("/coupons/43").headers.at("cache-control"), "no-store");
}

TEST_F(EnginePages, AnUnchangedCouponIsNotSentAgain) {
  publish(coupon(42, 10, 2));
  start_engine();
  const RawAnswer first = get("/coupons/42");
  const std::string tag = first.headers.at("etag");
  EXPECT_EQ(tag.substr(0, 3), "W/\"");
  const RawAnswer again = get("/coupons/42", "If-None-Match: \"x\", " + tag + "\r\n");
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  EXPECT_EQ(again.headers.count("content-length"), 0u);
  EXPECT_EQ(again.headers.at("etag"), tag);
  EXPECT_GE(again.headers.at("x-server-time-ms"), first.headers.at("x-server-time-ms"));
  EXPECT_EQ(get("/coupons/42", as(7) + "If-None-Match: " + tag + "\r\n").status, 200);
  receive(42, 7);
  EXPECT_TRUE(wait_until([&] { return get("/coupons/42", "If-None-Match: " + tag + "\r\n").status == 200; }));
}

TEST_F(EnginePages, AHeadHasTheHeadersOfTheGet) {
  publish(coupon(42, 10, 2));
  start_engine();
  RawConnection connection(worker_->port());
  connection.send("HEAD /coupons/42 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /coupons HTTP/1.1\r\nHost: x\r\n\r\n");
  auto coupon = connection.answer(true);
  auto list = connection.answer(true);
  ASSERT_TRUE(coupon && list);
  EXPECT_EQ(coupon->status, 200);
  EXPECT_EQ(coupon->headers.at("content-length"), std::to_string(get("/coupons/42").body.size()));
  EXPECT_EQ(list->headers.at("content-length"), std::to_string(get("/coupons").body.size()));
  EXPECT_EQ(list->headers.count("etag"), 1u);
}

TEST_F(EnginePages, ListsWhatIsOpenAndComingInPages) {
  for (const std::int64_t id : {9, 10, 11, 12, 13}) {
    auto settings = coupon(id, 10, 1);
    if (id == 10) settings.end_ms = 1000000000001;      // over, and not yet retired
    if (id == 11) settings.begin_ms = kFarAheadMs - 1;  // coming
    if (id == 12) settings.status = "paused";
    publish(settings);
  }
  start_engine();
  const RawAnswer all = get("/coupons");
  EXPECT_EQ(all.status, 200);
  EXPECT_TRUE(has(all, R"("couponId":"9")") && has(all, R"("couponId":"11")") && has(all, R"("couponId":"13")"));
  EXPECT_TRUE(has(all, R"("status":"paused")"));
  EXPECT_FALSE(has(all, R"("couponId":"10")"));
  EXPECT_EQ(field(all, "next"), "");
  const RawAnswer first = get("/coupons?limit=2");
  EXPECT_EQ(field(first, "couponId"), "9");
  EXPECT_EQ(field(first, "next"), "10");
  const RawAnswer second = get("/coupons?limit=2&after=10");
  EXPECT_EQ(field(second, "couponId"), "11");
  EXPECT_EQ(field(second, "next"), "12");
  const RawAnswer last = get("/coupons?limit=2&after=12");
  EXPECT_EQ(field(last, "couponId"), "13");
  EXPECT_EQ(field(last, "next"), "");
  EXPECT_EQ(get("/coupons?after=13").body, R"({"coupons":[]})");
  for (const char* bad :
       {"limit=0", "limit=101", "limit=x", "limit=", "limit=1&limit=1", "after=x", "after=0", "after="})
    EXPECT_EQ(code(get(std::string("/coupons?") + bad)), "INVALID_REQUEST") << bad;
  EXPECT_EQ(get("/coupons?limit=2", "If-None-Match: " + first.headers.at("etag") + "\r\n").status, 304);
}

TEST_F(EnginePages, TurnsToManyCouponsAndForgetsThem) {
  publish(coupon(42, 10, 1));
  start_engine();
  RawConnection connection(worker_->port());
  for (int id = 100; id < 1700; ++id) {
    connection.send("GET /coupons/" + std::to_string(id) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    auto answer = connection.answer();
    ASSERT_TRUE(answer);
    ASSERT_EQ(code(*answer), "COUPON_NOT_FOUND");
  }
  EXPECT_EQ(get("/coupons/42").status, 200);
}

TEST_F(EnginePages, SaysThatRedisIsAwayInsteadOfAnEmptyList) {
  PrivateRedis own;
  use(own);
  publish(coupon(42, 10, 1));
  start_engine();
  own.kill();
  ASSERT_TRUE(wait_until([&] { return !connected(); }));
  EXPECT_EQ(code(get("/coupons")), "NOT_READY");
  EXPECT_EQ(code(get("/coupons/42", as(7))), "NOT_READY");
  own.start();
  ASSERT_TRUE(wait_until([&] { return connected(); }));
  EXPECT_EQ(get("/coupons/42").status, 200);
}

TEST_F(EnginePages, ServesTheSalePageUnderAStrictPolicy) {
  start_engine();
  const auto before = commands();
  const RawAnswer page = get("/sale/42");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.headers.at("cache-control"), "no-cache");
  const std::string policy = page.headers.at("content-security-policy");
  EXPECT_NE(policy.find("default-src 'none'; script-src 'self'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  const std::size_t at = page.body.find("/sale/assets/sale.js?v=");
  ASSERT_NE(at, std::string::npos);
  const std::string script = page.body.substr(at, page.body.find('"', at) - at);
  EXPECT_EQ(get(script).headers.at("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(get(script).headers.at("cache-control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(get("/sale/assets/sale.js?v=another").headers.at("cache-control"), "no-cache");
  EXPECT_EQ(get("/sale/42", "If-None-Match: " + page.headers.at("etag") + "\r\n").status, 304);
  std::size_t bytes = 0;
  for (const char* file : {"/sale/42", "/sale/assets/sale.css", "/sale/assets/sale.js"}) bytes += get(file).body.size();
  EXPECT_LT(bytes, 30u * 1024);
  EXPECT_EQ(code(get("/sale/042")), "COUPON_NOT_FOUND");
  for (const char* none :
       {"/sale/assets/sale.html", "/sale/assets/", "/sale/assets/../sale.js", "/sale/assets/client.js"})
    EXPECT_EQ(code(get(none)), "NOT_FOUND") << none;
  for (const char* none : {"/", "/sale/abc", "/sale/", "/sale/assets/missing.html", "/nothing"}) {
    const RawAnswer shown = get(none, "Accept: text/html,*/*;q=0.8\r\n");
    EXPECT_EQ(shown.status, 404) << none;
    EXPECT_EQ(shown.headers.at("content-type"), "text/html; charset=utf-8") << none;
    EXPECT_EQ(shown.headers.at("content-security-policy"), policy);
  }
  EXPECT_EQ(code(get("/coupons/42/receive", "Accept: text/html\r\n")), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(commands(), before);
}

TEST_F(EnginePages, OptionsNamesTheMethodsOfEveryResource) {
  start_engine();
  const auto before = commands();
  auto allowed = [&](const std::string& path) {
    const RawAnswer answer = options(path);
    EXPECT_EQ(answer.status, 204) << path;
    EXPECT_EQ(answer.body, "");
    return answer.headers.at("allow");
  };
  EXPECT_EQ(allowed("/coupons/42/receive"), "POST, OPTIONS");
  for (const char* readable : {"/coupons", "/sale/42", "/sale/assets/sale.js", "/coupons/42", "/claims/42-1-2-3-4"})
    EXPECT_EQ(allowed(readable), "GET, HEAD, OPTIONS");
  EXPECT_EQ(allowed("*"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(code(options("/nothing")), "NOT_FOUND");
  EXPECT_EQ(code(raw_request(worker_->port(), "PUT", "/coupons/42")), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(commands(), before);
}

TEST_F(EnginePages, LetsOnlyPagesOfListedOriginsRead) {
  publish(coupon(42, 10, 1));
  start_engine(redis_->url(), *http::Cors::of({"https://shop.example"}));
  const std::string ours = "Origin: https://shop.example\r\n";
  const RawAnswer preflight =
      options("/coupons/42/receive", ours +
                                         "Access-Control-Request-Method: POST\r\n"
                                         "Access-Control-Request-Headers: idempotency-key,x-user-id\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers.at("access-control-allow-origin"), "https://shop.example");
  EXPECT_EQ(preflight.headers.at("access-control-allow-methods"), "POST, OPTIONS");
  EXPECT_EQ(preflight.headers.at("access-control-max-age"), "86400");
  const RawAnswer foreign = options("/coupons/42/receive",
                                    "Origin: https://evil.example\r\n"
                                    "Access-Control-Request-Method: POST\r\n");
  EXPECT_EQ(foreign.headers.count("access-control-allow-origin"), 0u);
  EXPECT_EQ(foreign.headers.count("access-control-allow-methods"), 0u);
  EXPECT_EQ(foreign.headers.at("vary"), "Origin");
  EXPECT_EQ(receive(42, 7, ours).headers.at("access-control-allow-origin"), "https://shop.example");
  const RawAnswer refused = receive(42, 7, ours);
  EXPECT_EQ(code(refused), "LIMIT_REACHED");
  EXPECT_EQ(refused.headers.at("access-control-allow-origin"), "https://shop.example");
  EXPECT_NE(refused.headers.at("access-control-expose-headers").find("Retry-After"), std::string::npos);
  EXPECT_EQ(receive(42, 8).headers.count("access-control-allow-origin"), 0u);
}

TEST_F(EnginePages, WithoutOriginsNoAnswerSpeaksOfThem) {
  publish(coupon(42, 10, 1));
  start_engine();
  const RawAnswer answer = receive(42, 7, "Origin: https://shop.example\r\n");
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.head.find("Access-Control"), std::string::npos);
  EXPECT_EQ(answer.headers.count("vary"), 0u);
}

TEST_F(EnginePages, AClaimTakesNoBodyOrAnEmptyOne) {
  publish(coupon(42, 10, 10));
  start_engine();
  RawConnection connection(worker_->port());
  const std::string head = "POST /coupons/42/receive HTTP/1.1\r\nHost: x\r\nX-User-Id: 7\r\n";
  for (const char* rest :
       {"\r\n", "Content-Length: 0\r\n\r\n", "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    connection.send(head + rest);
    auto answer = connection.answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 202) << rest;
    EXPECT_EQ(answer->headers.count("date"), 1u);
  }
  connection.send(head + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  auto go_on = connection.answer(true);
  ASSERT_TRUE(go_on);
  EXPECT_EQ(go_on->status, 100);
  connection.send("{}");
  auto answer = connection.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 202);
}

}  // namespace
}  // namespace flashclaim
