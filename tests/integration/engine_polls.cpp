// Waiting for an outcome: GET /claims/{id}?wait= against a real Redis.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/integration/engine_world.h"

namespace flashclaim {
namespace {

class EnginePolls : public EngineWorld {
 protected:
  void SetUp() override {
    EngineWorld::SetUp();
    publish(coupon(42, 20000, 1));
  }

  ClaimId claimed(std::int64_t user_id) { return *parse_claim_id(field(receive(42, user_id), "claimId")); }

  static std::string poll(const ClaimId& claim, const std::string& wait, const std::string& headers = "") {
    return "GET /claims/" + claim.text() + "?wait=" + wait + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
  }
  /// Waits until the engine holds that many requests and has looked at each of their claims once.
  void await_waiting(std::uint64_t n, std::uint64_t commands) {
    ASSERT_TRUE(wait_until([&] {
      return worker_->claim_counters().polls_waiting.value() == n &&
             worker_->redis_counters().commands.value() >= commands;
    }));
  }
  void finish(const ClaimId& claim, std::vector<redis::Refused> refused = {}) {
    ASSERT_EQ(*redis::finish(*client_, {42, claim.epoch, claim.entry, 1, true, std::move(refused)}),
              redis::FinishReply::kFinished);
  }
  std::int64_t subscribers() {
    auto reply = client_->command({"PUBSUB", "SHARDNUMSUB", "coupon:finished:{42}"});
    return reply && reply->size() == 2 ? (*reply)[1].integer() : -1;
  }
  std::uint64_t commands() const { return worker_->redis_counters().commands.value(); }
  const claim::ClaimCounters& counted() const { return worker_->claim_counters(); }
};

TEST_F(EnginePolls, AreAnsweredByTheFinishWithoutAskingAgain) {
  start_engine();
  const ClaimId settled = claimed(7);
  const ClaimId refused = claimed(8);
  RawConnection first(worker_->port());
  RawConnection second(worker_->port());
  const auto before = commands();
  first.send(poll(settled, "30s"));
  second.send(poll(refused, "30s", "X-User-Id: 8\r\n"));
  await_waiting(2, before + 2);
  finish(settled);
  finish(refused, {{0, "over_limit"}});
  auto answer = first.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(field(*answer, "status"), "settled");
  EXPECT_EQ(field(*answer, "claimId"), settled.text());
  answer = second.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(field(*answer, "status"), "refused");
  EXPECT_EQ(field(*answer, "reason"), "over_limit");
  EXPECT_EQ(counted().polls_pushed.value(), 2u);
  EXPECT_EQ(counted().polls_waiting.value(), 0u);
  EXPECT_EQ(commands(), before + 2);
}

TEST_F(EnginePolls, TenThousandWaitTogetherAndCostRedisOneLookEach) {
  start_engine();
  constexpr int kConnections = 250;
  constexpr int kEach = 40;
  std::vector<std::unique_ptr<RawConnection>> connections;
  std::map<EntryId, int> entries;
  for (int i = 0; i < kConnections; ++i) {
    connections.push_back(std::make_unique<RawConnection>(worker_->port()));
    std::string claims;
    for (int j = 0; j < kEach; ++j)
      claims += "POST /coupons/42/receive HTTP/1.1\r\nHost: x\r\nX-User-Id: " + std::to_string(1 + i * kEach + j) +
                "\r\n\r\n";
    connections.back()->send(claims);
    std::string polls;
    for (int j = 0; j < kEach; ++j) {
      auto answer = connections.back()->answer();
      ASSERT_TRUE(answer && answer->status == 202);
      const ClaimId claim = *parse_claim_id(field(*answer, "claimId"));
      ++entries[claim.entry];
      polls += poll(claim, "30s");
    }
    connections.back()->send(polls);
  }
  ASSERT_TRUE(wait_until([&] { return counted().polls_waiting.value() == kConnections * kEach; }));
  for (const auto& [entry, claims] : entries)
    ASSERT_EQ(*redis::finish(*client_, {42, 1, entry, claims, true, {}}), redis::FinishReply::kFinished);
  int settled = 0;
  for (auto& connection : connections)
    for (int j = 0; j < kEach; ++j) {
      auto answer = connection->answer();
      ASSERT_TRUE(answer);
      settled += field(*answer, "status") == "settled" ? 1 : 0;
    }
  EXPECT_EQ(settled, kConnections * kEach);
  EXPECT_EQ(counted().polls_expired.value(), 0u);
  EXPECT_LE(commands(), static_cast<std::uint64_t>(2 * kConnections * kEach));  // a claim and a look, at the most
  EXPECT_EQ(counted().polls_waiting.value(), 0u);
}

TEST_F(EnginePolls, SayPendingAtTheirDeadline) {
  start_engine();
  const RawAnswer answer = get("/claims/" + claimed(7).text() + "?wait=1s");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(field(answer, "status"), "pending");
  EXPECT_EQ(counted().polls_expired.value(), 1u);
}

TEST_F(EnginePolls, DoNotWaitForWhatIsKnown) {
  start_engine();
  const ClaimId claim = claimed(7);
  finish(claim);
  EXPECT_EQ(field(get("/claims/" + claim.text() + "?wait=30s"), "status"), "settled");
  ClaimId never = claim;
  never.entry.seq += 1;
  EXPECT_EQ(code(get("/claims/" + never.text() + "?wait=30s")), "CLAIM_NOT_FOUND");
  never = claim;
  never.index = 1;
  EXPECT_EQ(code(get("/claims/" + never.text() + "?wait=30s")), "CLAIM_NOT_FOUND");
  EXPECT_EQ(code(get("/claims/" + claim.text() + "?wait=30s", "X-User-Id: 8\r\n")), "CLAIM_NOT_FOUND");
  EXPECT_EQ(code(get("/claims/" + claim.text() + "?wait=31s")), "INVALID_REQUEST");
  const ClaimId open = claimed(9);
  EXPECT_EQ(code(get("/claims/" + open.text() + "?wait=30s", "X-User-Id: 8\r\n")), "CLAIM_NOT_FOUND");
  EXPECT_EQ(counted().polls_pushed.value(), 0u);
  EXPECT_EQ(counted().polls_expired.value(), 0u);
}

TEST_F(EnginePolls, AnIndexBeyondTheEntryIsNotFoundWhenItFinishes) {
  start_engine();
  const ClaimId claim = claimed(7);
  ClaimId other_epoch = claim;
  other_epoch.epoch = 2;
  EXPECT_EQ(code(get("/claims/" + other_epoch.text() + "?wait=30s")), "CLAIM_NOT_FOUND");
}

TEST_F(EnginePolls, MissNothingThoughTheirSubscriptionIsCut) {
  start_engine();
  RawConnection connection(worker_->port());
  for (std::int64_t user = 1; user <= 20; ++user) {
    const ClaimId claim = claimed(user);
    const auto before = commands();
    connection.send(poll(claim, "30s"));
    await_waiting(1, before + 1);
    ASSERT_TRUE(client_->command({"CLIENT", "KILL", "TYPE", "pubsub"}));
    finish(claim);
    auto answer = connection.answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(field(*answer, "status"), "settled");
  }
  EXPECT_EQ(counted().polls_expired.value(), 0u);
}

TEST_F(EnginePolls, AreAnsweredWhenTheEngineDrains) {
  start_engine();
  const ClaimId claim = claimed(7);
  RawConnection connection(worker_->port());
  const auto before = commands();
  connection.send(poll(claim, "30s"));
  await_waiting(1, before + 1);
  worker_->drain();
  auto answer = connection.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(field(*answer, "status"), "pending");
  EXPECT_EQ(answer->headers.at("connection"), "close");
  EXPECT_TRUE(wait_until([&] { return worker_->drained(); }));
}

TEST_F(EnginePolls, AreForgottenWithTheirClient) {
  start_engine();
  const ClaimId claim = claimed(7);
  {
    RawConnection gone(worker_->port());
    const auto before = commands();
    gone.send(poll(claim, "30s"));
    await_waiting(1, before + 1);
    gone.reset();
  }
  finish(claim);
  EXPECT_TRUE(wait_until([&] { return counted().polls_waiting.value() == 0; }));
  EXPECT_EQ(field(get("/claims/" + claim.text() + "?wait=30s"), "status"), "settled");
}

TEST_F(EnginePolls, SubscribeOnlyWhileSomebodyWaits) {
  start_engine();
  EXPECT_EQ(subscribers(), 0);
  const ClaimId claim = claimed(7);
  RawConnection connection(worker_->port());
  connection.send(poll(claim, "30s"));
  EXPECT_TRUE(wait_until([&] { return subscribers() == 1; }));
  finish(claim);
  ASSERT_TRUE(connection.answer());
  EXPECT_TRUE(wait_until([&] { return subscribers() == 0; }));
}

TEST_F(EnginePolls, AreToldThatRedisIsAwayRatherThanAnOutcome) {
  PrivateRedis own;
  use(own);
  publish(coupon(42, 10, 1));
  start_engine();
  const ClaimId claim = claimed(7);
  RawConnection connection(worker_->port());
  const auto before = commands();
  connection.send(poll(claim, "2s"));
  await_waiting(1, before + 1);
  own.kill();
  auto answer = connection.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(code(*answer), "NOT_READY");
  own.start();
  ASSERT_TRUE(wait_until([&] { return connected(); }));
  EXPECT_EQ(field(get("/claims/" + claim.text() + "?wait=1s"), "status"), "pending");
}

}  // namespace
}  // namespace flashclaim
