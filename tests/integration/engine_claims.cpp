// The HTTP front against a real Redis: claims, views, and what is said when Redis is away, silent or empty.
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "tests/harness/gate.h"
#include "tests/harness/witness.h"
#include "tests/integration/engine_world.h"

namespace flashclaim {
namespace {

using harness::Gate;
using harness::GateMode;

class EngineClaims : public EngineWorld {};

TEST_F(EngineClaims, AcceptsAClaimAndTellsWhereItIs) {
  publish(coupon(42, 10, 1));
  start_engine();
  const RawAnswer answer = receive(42, 7, "X-Request-Id: mine\r\n");
  ASSERT_EQ(answer.status, 202);
  const std::string claim = field(answer, "claimId");
  ASSERT_TRUE(parse_claim_id(claim)) << claim;
  EXPECT_EQ(answer.headers.at("location"), "/claims/" + claim);
  EXPECT_EQ(answer.headers.at("x-request-id"), "mine");
  EXPECT_EQ(answer.body, R"({"claimId":")" + claim + R"(","couponId":"42","status":"pending"})");
  EXPECT_EQ(get("/claims/" + claim).body, answer.body);
  EXPECT_EQ(get("/claims/" + claim, "X-User-Id: 7\r\n").status, 200);
  EXPECT_EQ(code(get("/claims/" + claim, "X-User-Id: 8\r\n")), "CLAIM_NOT_FOUND");
  EXPECT_EQ(text_of({"GET", "coupon:stock:{42}"}), "9");
}

TEST_F(EngineClaims, FollowsAClaimToItsEnd) {
  publish(coupon(42, 10, 3));
  start_engine();
  const auto settled = *parse_claim_id(field(receive(42, 7), "claimId"));
  const auto refused = *parse_claim_id(field(receive(42, 8), "claimId"));
  ASSERT_EQ(*redis::finish(*client_, {42, 1, settled.entry, 1, true, {}}), redis::FinishReply::kFinished);
  ASSERT_EQ(*redis::finish(*client_, {42, 1, refused.entry, 1, true, {{0, "rejected"}}}),
            redis::FinishReply::kFinished);
  EXPECT_EQ(field(get("/claims/" + settled.text()), "status"), "settled");
  const RawAnswer answer = get("/claims/" + refused.text());
  EXPECT_EQ(field(answer, "status"), "refused");
  EXPECT_EQ(field(answer, "reason"), "rejected");
}

TEST_F(EngineClaims, RefusesWithTheReasonThatIsTrue) {
  publish(coupon(1, 1, 1));
  auto later = coupon(2, 1, 1);
  later.begin_ms = kFarAheadMs - 1;
  publish(later);
  auto over = coupon(3, 1, 1);
  over.end_ms = 1000000000001;
  publish(over);
  auto paused = coupon(4, 1, 1);
  paused.status = "paused";
  publish(paused);
  start_engine();
  EXPECT_EQ(receive(1, 7).status, 202);
  EXPECT_EQ(code(receive(1, 7)), "LIMIT_REACHED");
  EXPECT_EQ(code(receive(1, 8)), "SOLD_OUT");
  EXPECT_EQ(receive(1, 8).status, 409);
  EXPECT_EQ(code(receive(2, 7)), "NOT_STARTED");
  EXPECT_EQ(code(receive(3, 7)), "ENDED");
  EXPECT_EQ(receive(3, 7).status, 410);
  EXPECT_EQ(code(receive(4, 7)), "PAUSED");
  EXPECT_EQ(code(receive(5, 7)), "COUPON_NOT_FOUND");
}

TEST_F(EngineClaims, RefusesMalformedRequestsWithoutAskingRedis) {
  publish(coupon(42, 10, 1));
  start_engine();
  const auto asked = worker_->redis_counters().commands.value();
  auto claim = [&](const std::string& path, const std::string& headers) {
    return code(raw_request(worker_->port(), "POST", path, headers));
  };
  EXPECT_EQ(claim("/coupons/42/receive", ""), "UNAUTHENTICATED");
  for (const char* bad : {"0", "007", "+5", "9223372036854775808", ""})
    EXPECT_EQ(claim("/coupons/42/receive", std::string("X-User-Id: ") + bad + "\r\n"), "INVALID_REQUEST") << bad;
  EXPECT_EQ(claim("/coupons/42/receive", "X-User-Id: 7\r\nX-User-Id: 7\r\n"), "INVALID_REQUEST");
  EXPECT_EQ(claim("/coupons/042/receive", "X-User-Id: 7\r\n"), "COUPON_NOT_FOUND");
  EXPECT_EQ(claim("/coupons/9223372036854775808/receive", "X-User-Id: 7\r\n"), "COUPON_NOT_FOUND");
  const std::string user = "X-User-Id: 7\r\n";
  EXPECT_EQ(claim("/coupons/42/receive", user + "Idempotency-Key: a b\r\n"), "INVALID_REQUEST");
  EXPECT_EQ(claim("/coupons/42/receive", user + "Idempotency-Key: \r\n"), "INVALID_REQUEST");
  EXPECT_EQ(claim("/coupons/42/receive", user + "Idempotency-Key: " + std::string(65, 'a') + "\r\n"),
            "INVALID_REQUEST");
  EXPECT_EQ(claim("/coupons/42/receive", user + "Idempotency-Key: a\r\nIdempotency-Key: a\r\n"), "INVALID_REQUEST");
  EXPECT_EQ(claim("/coupons/42", user), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(get("/coupons/42/receive").headers.at("allow"), "POST, OPTIONS");
  EXPECT_EQ(code(get("/nothing")), "NOT_FOUND");
  EXPECT_EQ(code(get("/claims/42-1-2-3")), "CLAIM_NOT_FOUND");
  EXPECT_EQ(worker_->redis_counters().commands.value(), asked);
}

TEST_F(EngineClaims, ReplaysAnAcceptanceForTheSameKey) {
  publish(coupon(42, 10, 1));
  start_engine();
  const std::string key = "Idempotency-Key: k-1\r\n";
  const RawAnswer first = receive(42, 7, key);
  ASSERT_EQ(first.status, 202);
  EXPECT_EQ(first.headers.count("idempotent-replayed"), 0u);
  const RawAnswer again = receive(42, 7, key);
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.headers.at("idempotent-replayed"), "true");
  EXPECT_EQ(code(receive(42, 7, "Idempotency-Key: k-2\r\n")), "LIMIT_REACHED");
  EXPECT_EQ(text_of({"GET", "coupon:stock:{42}"}), "9");
}

TEST_F(EngineClaims, ShowsACoupon) {
  publish(coupon(42, 10, 2));
  start_engine();
  receive(42, 7);
  const RawAnswer answer = get("/coupons/42");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(field(answer, "couponId"), "42");
  EXPECT_EQ(field(answer, "name"), "Half price");
  EXPECT_NE(answer.body.find(R"("total":10,"left":9,"userLimit":2})"), std::string::npos);
  EXPECT_EQ(code(get("/coupons/43")), "COUPON_NOT_FOUND");
}

TEST_F(EngineClaims, BatchesAPipelineAndGivesEveryClaimItsOwnId) {
  publish(coupon(42, 1000, 1));
  start_engine();
  RawConnection connection(worker_->port());
  std::string requests;
  constexpr int kClaims = 50;
  for (int user = 1; user <= kClaims; ++user)
    requests += "POST /coupons/42/receive HTTP/1.1\r\nHost: x\r\nX-User-Id: " + std::to_string(user) + "\r\n\r\n";
  connection.send(requests);
  std::set<std::string> ids;
  for (int i = 0; i < kClaims; ++i) {
    auto answer = connection.answer();
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->status, 202);
    ids.insert(field(*answer, "claimId"));
  }
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(kClaims));
  EXPECT_LT(worker_->redis_counters().commands.value(), static_cast<std::uint64_t>(kClaims));
  for (const std::string& id : ids) EXPECT_EQ(field(get("/claims/" + id), "status"), "pending");
}

TEST_F(EngineClaims, NeverSellsMoreThanThereIsOverManyConnections) {
  publish(coupon(42, 100, 3));
  start_engine();
  constexpr int kThreads = 8;
  constexpr int kPerThread = 250;
  std::atomic<int> accepted{0};
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      RawConnection connection(worker_->port());
      for (int i = 0; i < kPerThread; ++i) {
        connection.send("POST /coupons/42/receive HTTP/1.1\r\nHost: x\r\nX-User-Id: " +
                        std::to_string(1 + (t * kPerThread + i) % 60) + "\r\n\r\n");
        auto answer = connection.answer();
        if (answer && answer->status == 202) ++accepted;
        if (answer && answer->status == 409) ++refused;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(accepted, 100);
  EXPECT_EQ(accepted + refused, kThreads * kPerThread);
  EXPECT_EQ(text_of({"GET", "coupon:stock:{42}"}), "0");
}

TEST_F(EngineClaims, ServesMoreCouponsThanItKeepsQueuesFor) {
  start_engine();
  RawConnection connection(worker_->port());
  for (int coupon_id = 1; coupon_id <= 1500; ++coupon_id) {
    connection.send("POST /coupons/" + std::to_string(coupon_id) +
                    "/receive HTTP/1.1\r\nHost: x\r\nX-User-Id: 7\r\n\r\n");
    auto answer = connection.answer();
    ASSERT_TRUE(answer);
    ASSERT_EQ(code(*answer), "COUPON_NOT_FOUND");
  }
}

TEST_F(EngineClaims, ARedisThatLostItsDataIsNotReadyRatherThanUnknown) {
  publish(coupon(42, 10, 1));
  start_engine();
  EXPECT_EQ(receive(42, 7).status, 202);
  redis_->flush();
  const RawAnswer answer = receive(42, 8);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(code(answer), "NOT_READY");
  EXPECT_EQ(field(answer, "applied"), "no");
  EXPECT_EQ(answer.headers.count("retry-after"), 1u);
  EXPECT_EQ(code(get("/coupons/42")), "NOT_READY");
}

TEST_F(EngineClaims, WithoutTheLibraryNothingIsReady) {
  publish(coupon(42, 10, 1));
  start_engine();
  ASSERT_EQ(text_of({"FUNCTION", "FLUSH"}), "OK");
  EXPECT_EQ(code(receive(42, 7)), "NOT_READY");
  EXPECT_EQ(code(get("/coupons/42")), "NOT_READY");
}

TEST_F(EngineClaims, ADamagedKeyIsOurFaultAndTakesNothing) {
  harness::announce_error("claim_failed");
  publish(coupon(42, 10, 1));
  start_engine();
  ASSERT_EQ(text_of({"SET", "coupon:stock:{42}", "ten"}), "OK");
  EXPECT_EQ(code(receive(42, 7)), "INTERNAL");
  EXPECT_EQ(text_of({"GET", "coupon:stock:{42}"}), "ten");
}

TEST_F(EngineClaims, ALostAnswerIsUnknownAndTheKeyTellsTheTruth) {
  publish(coupon(42, 10, 1));
  Gate gate(redis_->port());
  start_engine(gate.through(redis_->url()));
  const std::string key = "Idempotency-Key: k-1\r\n";
  RawConnection connection(worker_->port());
  // The claim reaches Redis; its answer meets a reset: the gate passes the command's bytes and cuts at the answer.
  gate.set(GateMode::kCut, 140);
  connection.send("POST /coupons/42/receive HTTP/1.1\r\nHost: x\r\nX-User-Id: 7\r\n" + key + "\r\n");
  auto answer = connection.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(code(*answer), "OUTCOME_UNKNOWN");
  EXPECT_EQ(field(*answer, "applied"), "unknown");
  ASSERT_TRUE(wait_until([&] { return connected(); }));
  EXPECT_EQ(worker_->redis_counters().lost.value(), 1u);
  const RawAnswer truth = receive(42, 7, key);
  EXPECT_EQ(truth.status, 202);
  EXPECT_EQ(truth.headers.count("idempotent-replayed"), 1u) << "the claim had not reached Redis";
  EXPECT_EQ(text_of({"GET", "coupon:stock:{42}"}), "9");
}

TEST_F(EngineClaims, ASilentRedisIsUnknownAfterTheDeadlineThenNotReadyThenFine) {
  PrivateRedis own;
  use(own);
  publish(coupon(42, 10, 1));
  start_engine();
  own.pause();
  const RawAnswer unknown = receive(42, 7);
  EXPECT_EQ(code(unknown), "OUTCOME_UNKNOWN");
  EXPECT_EQ(code(receive(42, 8)), "NOT_READY");
  own.resume();
  ASSERT_TRUE(wait_until([&] { return connected(); }));
  EXPECT_EQ(receive(42, 9).status, 202);
  client_.emplace(connect());
  // The lost claim was not sent twice: it stands once or not at all, and its user is told the truth.
  const std::string stock = text_of({"GET", "coupon:stock:{42}"});
  EXPECT_TRUE(stock == "8" || stock == "9") << stock;
  EXPECT_EQ(receive(42, 7).status, stock == "8" ? 409 : 202);
}

TEST_F(EngineClaims, ComesBackByItselfAfterRedisWasKilled) {
  PrivateRedis own;
  use(own);
  publish(coupon(42, 10, 1));
  start_engine();
  EXPECT_EQ(receive(42, 7).status, 202);
  own.kill();
  ASSERT_TRUE(wait_until([&] { return !connected(); }));
  EXPECT_EQ(code(receive(42, 8)), "NOT_READY");
  EXPECT_EQ(code(get("/coupons/42")), "NOT_READY");
  own.start();
  ASSERT_TRUE(wait_until([&] { return connected(); }));
  EXPECT_EQ(code(receive(42, 7)), "LIMIT_REACHED");
  EXPECT_EQ(receive(42, 8).status, 202);
}

TEST_F(EngineClaims, SurvivesThatItsConnectionsAreKilledAgainAndAgain) {
  publish(coupon(42, 100000, 100000));
  start_engine();
  std::atomic<bool> stop{false};
  std::atomic<int> odd{0};
  std::thread buyer([&] {
    RawConnection connection(worker_->port());
    while (!stop) {
      connection.send("POST /coupons/42/receive HTTP/1.1\r\nHost: x\r\nX-User-Id: 7\r\n\r\n");
      auto answer = connection.answer();
      if (!answer || (answer->status != 202 && answer->status != 503)) ++odd;
    }
  });
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(wait_until([&] { return connected(); }, std::chrono::seconds(120), std::chrono::milliseconds(1)));
    ASSERT_TRUE(client_->command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}));
    ASSERT_TRUE(wait_until([&] { return worker_->redis_counters().disconnects.value() > static_cast<unsigned>(i); },
                           std::chrono::seconds(120), std::chrono::milliseconds(1)));
  }
  stop = true;
  buyer.join();
  EXPECT_EQ(odd, 0);
  ASSERT_TRUE(wait_until([&] { return connected(); }));
  EXPECT_EQ(receive(42, 8).status, 202);
}

TEST_F(EngineClaims, AnswersWhatIsOwedBeforeItEnds) {
  publish(coupon(42, 10, 1));
  start_engine();
  RawConnection idle(worker_->port());
  EXPECT_EQ(receive(42, 7).status, 202);
  worker_->drain();
  EXPECT_TRUE(idle.closed_by_server());
  EXPECT_TRUE(wait_until([&] { return worker_->drained(); }));
}

TEST_F(EngineClaims, AuthenticatesWithTheUserOfTheUrl) {
  PrivateRedis own;
  use(own);
  publish(coupon(42, 10, 1));
  ASSERT_EQ(text_of({"ACL", "SETUSER", "shop", "on", ">s3cret", "~*", "+@all"}), "OK");
  start_engine("redis://shop:s3cret@127.0.0.1:" + std::to_string(own.port()) + "/0");
  EXPECT_EQ(receive(42, 7).status, 202);
}

}  // namespace
}  // namespace flashclaim
