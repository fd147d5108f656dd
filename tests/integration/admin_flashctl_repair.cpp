// flashctl where something is wrong or missing: reconcile, check, rebuild, claim show, db, mq.
#include <unistd.h>

#include <cstdio>

#include "engine/amqp/topology.h"
#include "engine/mirror/message.h"
#include "engine/operations/publish.h"
#include "engine/postgres/settle.h"
#include "tests/integration/admin_flashctl.h"

namespace flashclaim::operations {
namespace {

class FlashctlRepair : public Flashctl {};

TEST_F(FlashctlRepair, ReconcileAndCheckFindADriftAndFixMendsIt) {
  const auto id = issue(10);
  const std::string text = std::to_string(id);
  claim(id, {1});
  settle(id);
  declare();
  expect_exit(0, {"check", text});
  redis_raw({"INCRBY", redis::CouponKeys(id).stock, "2"});
  expect_exit(6, {"check", text, "--output", "json"});
  EXPECT_EQ(json(last_.out, "violations,0,invariant"), "INV-4");
  EXPECT_EQ(json(last_.out, "violations,0,count"), "2");
  expect_exit(6, {"reconcile", "--output", "json"});
  EXPECT_EQ(json(last_.out, "coupons,0,stockDrift"), "2");
  expect_exit(0, {"reconcile", "--fix", "--yes"});
  expect_exit(0, {"check"});
}

TEST_F(FlashctlRepair, OneDamagedCouponDoesNotStopTheOthers) {
  const auto sick = issue(10);
  const auto well = issue(10);
  declare();
  redis_raw({"SET", redis::CouponKeys(sick).stock, "many"});
  redis_raw({"INCRBY", redis::CouponKeys(well).stock, "2"});
  expect_exit(6, {"reconcile", "--output", "json"});
  EXPECT_EQ(json(last_.out, "coupons,0,stockDrift"), "2");
  EXPECT_EQ(json(last_.out, "failed,0,couponId"), std::to_string(sick));
  expect_exit(1, {"reconcile", "--fix", "--yes"});
  EXPECT_NE(last_.err.find("1 coupons failed and were passed by"), std::string::npos) << last_.err;
  EXPECT_EQ(stock(well), 10);
  expect_exit(0, {"status", "--output", "json"});
  EXPECT_EQ(json(last_.out, "failingCoupons"), "1");
  EXPECT_EQ(json(last_.out, "notInRedis"), "0");
  EXPECT_EQ(json(last_.out, "coupons,0,status").substr(0, 16), "FAILING: DAMAGED");
  expect_exit(0, {"rebuild", std::to_string(well), "--yes"});
  expect_exit(0, {"rebuild", "--queue-quiet", "0", "--yes"});
  EXPECT_EQ(stock(sick), 10);
  expect_sound(sick);
  expect_sound(well);
}

TEST_F(FlashctlRepair, ChecksWhatClientsWereTold) {
  const auto id = issue(10);
  const auto told = claim(id, {1, 2});
  settle(id);
  declare();
  const std::string file = ::testing::TempDir() + "/acknowledged-" + std::to_string(getpid()) + ".csv";
  const auto write = [&](std::int64_t second_user) {
    std::FILE* out = std::fopen(file.c_str(), "w");
    std::fprintf(out, "claim_id,user_id\n%s,1\n%s,%lld\n", told[0].claim.text().c_str(), told[1].claim.text().c_str(),
                 static_cast<long long>(second_user));
    std::fclose(out);
  };
  write(2);
  expect_exit(0, {"check", "--acknowledged", file, "--output", "json"});
  EXPECT_EQ(json(last_.out, "acknowledged"), "2");
  write(3);
  expect_exit(6, {"check", "--acknowledged", file});
  std::remove(file.c_str());
}

TEST_F(FlashctlRepair, OneCommandRebuildsARedisThatLostItsFiles) {
  const auto id = issue(10);
  const auto other = issue(5);
  claim(id, {1, 2});
  settle(id);
  redis_raw({"FLUSHALL"});
  redis_raw({"FUNCTION", "FLUSH"});
  expect_exit(0, {"rebuild", "--yes", "--output", "json"});
  EXPECT_EQ(json(last_.out, "ready"), "true");
  EXPECT_EQ(json(last_.out, "coupons,1,couponId"), std::to_string(other));
  EXPECT_EQ(stock(id), 8);
  expect_sound(id);
  expect_sound(other);
  expect_exit(0, {"rebuild", "--yes"});
  EXPECT_NE(last_.out.find("nothing to rebuild"), std::string::npos);
}

TEST_F(FlashctlRepair, AReplayPassesByWhatIsDamagedAndADropThrowsItAway) {
  const auto sick = issue(10);
  const auto healthy = issue(10);
  declare();
  claim(sick, {1});
  claim(healthy, {1});
  const std::string stream = redis::CouponKeys(sick).claims;
  redis_raw({"XADD", stream, "18446744073709551615-7", "x", "y"});
  expect_exit(4, {"mirror", "replay"});
  EXPECT_NE(last_.err.find("entry 18446744073709551615-7 of coupon " + std::to_string(sick)), std::string::npos);
  EXPECT_NE(last_.err.find("published 2 entries"), std::string::npos) << last_.err;
  const std::vector<std::string> drop = {
      "dlq", "drop", "--coupon", std::to_string(sick), "--entry", "18446744073709551615-7", "--yes"};
  expect_exit(0, drop);
  EXPECT_NE(last_.out.find("pause it"), std::string::npos) << last_.out;
  expect_exit(3, drop);
  expect_exit(2, {"dlq", "drop", "--entry", "18446744073709551615-7", "--yes"});
  expect_exit(0, {"mirror", "replay"});
}

TEST_F(FlashctlRepair, RebuildAfterALossWaitsForWhatRabbitHolds) {
  const auto id = issue(10);
  declare();
  const auto accepted = claim(id, {1});
  const mirror::EntryMessage mirrored{id, accepted[0].claim.epoch, accepted[0].claim.entry, {1}};
  ASSERT_TRUE(amqp().enable_confirms());
  ASSERT_TRUE(publish_confirmed(amqp(), std::span(&mirrored, 1)));
  redis_raw({"FLUSHALL"});
  expect_exit(4, {"rebuild", "--drain", "0", "--yes"});
  EXPECT_NE(last_.err.find("RabbitMQ still holds 1 messages"), std::string::npos) << last_.err;

  std::thread consumer([&] {  // while the rebuild waits
    const std::vector<postgres::SettleClaim> one = {{id, 1, mirrored.entry, 0, 1}};
    std::this_thread::sleep_for(std::chrono::seconds(1));
    ASSERT_TRUE(postgres::settle_claims(pg(), one));
    const auto delivery = amqp().get(amqp::kQueue);
    ASSERT_TRUE(delivery && delivery->has_value());
    ASSERT_TRUE(amqp().ack((*delivery)->delivery_tag, false));
  });
  const auto rebuilt = run({"rebuild", "--queue-quiet", "1", "--yes"});
  consumer.join();
  EXPECT_EQ(rebuilt.exit_code, 0) << rebuilt.err;
  EXPECT_EQ(stock(id), 9);
  EXPECT_EQ(redis::ok(redis().command({"GET", redis::CouponKeys(id).user(1)}))->text(), "1");
  expect_sound(id);
}

TEST_F(FlashctlRepair, RebuildAfterALossWithoutRabbitGivesTheWayOut) {
  const auto id = issue(10);
  redis_raw({"FLUSHALL"});
  const harness::Environment nobody = {{"AMQP_URL", "amqp://guest:secret@127.0.0.1:1/%2F"}};
  const auto refused = run({"rebuild", "--yes"}, nobody);
  EXPECT_EQ(refused.exit_code, 5) << refused.err;
  EXPECT_NE(refused.err.find("--queue-quiet 0"), std::string::npos) << refused.err;
  EXPECT_EQ(refused.err.find("secret"), std::string::npos) << refused.err;
  EXPECT_EQ(run({"rebuild", "--queue-quiet", "0", "--yes"}, nobody).exit_code, 0);
  expect_sound(id);
}

TEST_F(FlashctlRepair, RebuildSaysWhatStandsInTheWay) {
  const auto id = issue(10);
  const std::string text = std::to_string(id);
  const auto accepted = claim(id, {1});
  expect_exit(4, {"rebuild", text, "--drain", "0", "--yes"});
  EXPECT_NE(last_.err.find("consumer"), std::string::npos);
  ASSERT_TRUE(redis::mark_dead(redis(), id, accepted[0].claim.entry));
  expect_exit(4, {"rebuild", text, "--yes"});
  EXPECT_NE(last_.err.find("dlq"), std::string::npos);
  declare();
  expect_exit(0, {"dlq", "reject", "--coupon", text, "--yes"});
  expect_exit(0, {"rebuild", text, "--yes"});
  EXPECT_EQ(stock(id), 10);
  expect_sound(id);
}

TEST_F(FlashctlRepair, ClaimShowFollowsAClaim) {
  const auto id = issue(10);
  const auto accepted = claim(id, {7, 8});
  const std::string settled = accepted[0].claim.text();
  expect_exit(0, {"claim", "show", settled, "--output", "json"});
  EXPECT_EQ(json(last_.out, "status"), "pending");
  EXPECT_EQ(json(last_.out, "userId"), "7");
  const std::vector<postgres::SettleClaim> one = {{id, 1, accepted[1].claim.entry, 1, 8}};
  ASSERT_TRUE(postgres::settle_claims(pg(), one, postgres::SettleMode::kReject));
  settle(id);
  expect_exit(0, {"claim", "show", settled, "--output", "json"});
  EXPECT_EQ(json(last_.out, "status"), "settled");
  expect_exit(0, {"claim", "show", accepted[1].claim.text(), "--output", "json"});
  EXPECT_EQ(json(last_.out, "status"), "refused");
  EXPECT_EQ(json(last_.out, "reason"), "rejected");
}

TEST_F(FlashctlRepair, TheSchemaAndTheQueuesMayBeMadeTwice) {
  const harness::Environment empty = {{"PG_URL", harness::PrivatePostgres::shared().fresh_database()}};
  EXPECT_EQ(run({"db", "status"}, empty).exit_code, 4);
  EXPECT_EQ(run({"db", "migrate", "--dry-run"}, empty).exit_code, 0);
  EXPECT_EQ(run({"db", "status"}, empty).exit_code, 4);
  EXPECT_EQ(run({"db", "migrate"}, empty).exit_code, 0);
  EXPECT_EQ(run({"db", "migrate"}, empty).exit_code, 0);
  harness::PrivatePostgres::grant(empty.at("PG_URL"));
  EXPECT_EQ(run({"db", "status"}, empty).exit_code, 0);
  expect_exit(4, {"mq", "status"});
  expect_exit(0, {"mq", "declare"});
  expect_exit(0, {"mq", "declare"});
  expect_exit(0, {"mq", "status"});
}

TEST_F(FlashctlRepair, RebuildIfNewMarksOnlyANewDatabase) {
  redis_raw({"FLUSHALL"});
  expect_exit(0, {"rebuild", "--if-new", "--output", "json"});
  EXPECT_EQ(json(last_.out, "changed"), "true");
  issue(10);
  redis_raw({"FLUSHALL"});
  expect_exit(0, {"rebuild", "--if-new", "--output", "json"});
  EXPECT_EQ(json(last_.out, "changed"), "false");
}

}  // namespace
}  // namespace flashclaim::operations
