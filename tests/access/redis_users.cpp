// The users of Redis: each function by name, what nobody may, what each may not, and that a restart loses nothing.
#include <gtest/gtest.h>

#include <map>

#include "engine/redis/functions.h"
#include "tests/access/world.h"
#include "tests/harness/witness.h"

namespace flashclaim::access {
namespace {

using Words = std::vector<std::string>;
constexpr const char* kRoles[] = {"engine", "mirror", "consumer", "admin"};

std::string printed(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += word + ' ';
  return text;
}

/// True when Redis refused it for want of a right, before anything ran.
bool forbidden(redis::Client& client, const Words& words) {
  auto reply = client.command(words);
  if (!reply) throw std::runtime_error(reply.error().message);
  return reply->error_code() == "NOPERM";
}

class RedisUsers : public ::testing::Test {
 protected:
  void SetUp() override { harness::announce_denial("NOPERM"); }
  redis::Client as(const std::string& role) { return World::get().redis(role); }
};

TEST_F(RedisUsers, NobodyMayRuleTheServer) {
  const Words all[] = {
      {"FLUSHALL"},
      {"FLUSHDB"},
      {"CONFIG", "SET", "appendonly", "no"},
      {"CONFIG", "REWRITE"},
      {"ACL", "LIST"},
      {"ACL", "SETUSER", "x"},
      {"ACL", "LOAD"},
      {"SHUTDOWN", "NOSAVE"},

      {"EVAL", "return 1", "0"},
      {"SCRIPT", "FLUSH"},
      {"FUNCTION", "FLUSH"},
      {"FUNCTION", "DELETE", "flashclaim"},
      {"KEYS", "*"},
      {"MONITOR"},
      {"REPLICAOF", "NO", "ONE"},
      {"CLIENT", "KILL", "TYPE", "normal"},
      {"SWAPDB", "0", "1"},
      {"DUMP", "coupon:stock:{1}"},
      {"RESTORE", "coupon:stock:{1}", "0", "x"},
      {"RENAME", "coupon:stock:{1}", "coupon:stock:{2}"},
      {"MIGRATE", "127.0.0.1", "1", "k", "0", "1"},
      {"EXPIRE", "coupon:stock:{1}", "1"},
      {"XTRIM", "coupon:claims:{1}", "MAXLEN", "0"},
      {"GET", "another:system"},
      {"XADD", "another:system", "*", "a", "b"},
      {"MODULE", "LIST"},
      {"SAVE"},
      {"CLUSTER", "RESET"},
      {"XGROUP", "DESTROY", "coupon:claims:{1}", "mirror"},
      {"SUBSCRIBE", "x"},
      {"SSUBSCRIBE", "x"},
      {"PSUBSCRIBE", "*"},
      {"PUBLISH", "x", "y"},
  };
  for (const char* role : kRoles) {
    auto client = as(role);
    for (const Words& words : all) EXPECT_TRUE(forbidden(client, words)) << role << ": " << printed(words);
  }
}

TEST_F(RedisUsers, MayNotDoTheWorkOfOthers) {
  const Words load = {"FUNCTION", "LOAD", "REPLACE", "#!lua name=flashclaim\n"};
  const Words add_claim = {"XADD", "coupon:claims:{1}", "*", "e", "1", "u", "7", "h", "x"};
  const std::map<std::string, std::vector<Words>> matrix = {
      {"engine",
       {load,
        {"SET", "coupon:stock:{1}", "9"},
        {"INCRBY", "coupon:stock:{1}", "9"},
        {"DEL", "coupon:stock:{1}"},
        {"HSET", "prs:coupon:{1}", "status", "issuing"},
        {"MSET", "prs:coupon:{1}", "x"},
        {"DEL", "prs:coupon:{1}"},
        {"XDEL", "coupon:claims:{1}", "1-0"},
        {"XREADGROUP", "GROUP", "mirror", "m", "STREAMS", "coupon:claims:{1}", ">"},
        {"SADD", "coupon:issuing", "1"},
        {"SET", "coupon:ready", "1"},
        {"DEL", "coupon:key:{1}:7:k"},
        {"SET", "coupon:result:{1}:1-0", "x"},
        {"SADD", "coupon:dead:{1}", "1-0"}}},
      {"mirror",
       {load,
        add_claim,
        {"XDEL", "coupon:claims:{1}", "1-0"},
        {"GET", "coupon:stock:{1}"},
        {"DECRBY", "coupon:stock:{1}", "1"},
        {"SET", "coupon:ready", "1"},
        {"SADD", "coupon:issuing", "1"},
        {"SREM", "coupon:dead:{1}", "1-0"},
        {"DEL", "coupon:claims:{1}"},
        {"MSET", "prs:coupon:{1}:prs:usr:coupon:7", "0"},
        {"GET", "coupon:key:{1}:7:k"}}},
      {"consumer",
       {load,
        add_claim,
        {"SET", "coupon:stock:{1}", "9"},
        {"DEL", "coupon:stock:{1}"},
        {"DEL", "prs:coupon:{1}"},
        {"DEL", "coupon:claims:{1}"},
        {"SET", "coupon:ready", "1"},
        {"SREM", "coupon:issuing", "1"},
        {"XACK", "coupon:claims:{1}", "mirror", "1-0"},
        {"GET", "coupon:key:{1}:7:k"},
        {"MSET", "prs:coupon:{1}", "x"}}},
      {"admin",
       {add_claim,
        {"XACK", "coupon:claims:{1}", "mirror", "1-0"},
        {"DECRBY", "coupon:stock:{1}", "1"},
        {"SET", "prs:coupon:{1}", "x"},
        {"SET", "coupon:key:{1}:7:k", "x"}}},
  };
  for (const auto& [role, commands] : matrix) {
    auto client = as(role);
    for (const Words& words : commands) EXPECT_TRUE(forbidden(client, words)) << role << ": " << printed(words);
  }
}

TEST_F(RedisUsers, TheAdminAloneRewritesTheAppendOnlyFile) {
  for (const char* role : {"engine", "mirror", "consumer"}) {
    auto client = as(role);
    EXPECT_TRUE(forbidden(client, {"BGREWRITEAOF"})) << role;
  }
  auto admin = as("admin");
  EXPECT_FALSE(forbidden(admin, {"BGREWRITEAOF"}));
}

TEST_F(RedisUsers, NobodyGetsInWithoutAPassword) {
  const std::string server = "127.0.0.1:" + std::to_string(World::get().redis_server->port());
  for (const std::string who : {"", "default:@", "engine:@", "engine:wrong@", "nobody:wrong@", ":wrong@"})
    EXPECT_FALSE(redis::Client::connect("redis://" + who + server + "/0", std::chrono::seconds(60))) << who;
}

// Redis 7.0.15 reads its append-only file as the default user, and drops transactions that this one may not do.
TEST_F(RedisUsers, LoseNothingWhenRedisStartsAgain) {
  World& world = World::get();
  world.flashctl({"coupon", "create", "--id", "900", "--name", "restart", "--total", "5", "--user-limit", "1",
                  "--begin", "now", "--end", "+1h", "--yes"});
  world.flashctl({"coupon", "publish", "900", "--yes"});
  {
    auto engine = as("engine");
    const redis::ClaimRequest request{7, ""};
    const auto verdicts = redis::claim(engine, 900, {&request, 1});
    ASSERT_TRUE(verdicts) << verdicts.error().message;
    ASSERT_EQ(verdicts->front().verdict, redis::Verdict::kAccepted);
  }
  world.redis_server->kill();
  world.redis_server->start();
  auto engine = as("engine");
  redis::CouponView view;
  ASSERT_EQ(redis::coupon_view(engine, 900, 7, view).value(), redis::ViewState::kFound);
  EXPECT_EQ(view.left, 4);
  EXPECT_EQ(view.mine, 1);
  EXPECT_EQ(world.redis_superuser().command({"XLEN", redis::CouponKeys(900).claims})->integer(), 1);
}

}  // namespace
}  // namespace flashclaim::access
