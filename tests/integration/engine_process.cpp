// flashclaim-engine as a process: flags, readiness, shutdown, and what it says when it cannot start.
#include <gtest/gtest.h>
#include <signal.h>

#include <optional>
#include <string>

#include "engine/base/assets.h"
#include "engine/redis/client.h"
#include "engine/redis/functions.h"
#include "engine/redis/library.h"
#include "tests/harness/folder.h"
#include "tests/harness/process.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim {
namespace {

using harness::Finished;
using harness::PrivateRedis;
using harness::Process;
using harness::raw_request;
using harness::run_program;
using harness::wait_until;

const char* const kNoBroker = "amqp://guest:guest@127.0.0.1:1/%2F";

class EngineProcess : public testing::Test {
 protected:
  void SetUp() override {
    PrivateRedis::shared().flush();
    auto client = redis::Client::connect(PrivateRedis::shared().url(), std::chrono::seconds(60));
    ASSERT_TRUE(client);
    client_.emplace(std::move(*client));
    ASSERT_TRUE(redis::load_library(*client_, kLuaLibrary));
    port_ = harness::free_ports(2);
  }

  std::vector<std::string> arguments(const std::string& role) const {
    return {"--listen",       "127.0.0.1:" + std::to_string(port_),
            "--admin-listen", "127.0.0.1:" + std::to_string(port_ + 1),
            "--role",         role};
  }
  static harness::Environment environment() {
    return {{"REDIS_URL", PrivateRedis::shared().url()}, {"AMQP_URL", kNoBroker}};
  }
  void start(const std::string& role) {
    engine_.emplace("flashclaim-engine", arguments(role), environment());
    ASSERT_TRUE(wait_until([&] { return get("/healthz").status == 200; })) << engine_->output();
  }
  harness::RawAnswer get(const std::string& path) const {
    try {
      return raw_request(port_ + 1, "GET", path);
    } catch (const std::runtime_error&) {
      return {};  // does not listen yet
    }
  }
  bool ready_says(const std::string& text) const { return get("/readyz").body.find(text) != std::string::npos; }

  std::optional<redis::Client> client_;
  int port_ = 0;
  std::optional<Process> engine_;
};

TEST_F(EngineProcess, IsReadyWhenRedisIsLoadedEvenWithoutRabbitMQ) {
  start("both");
  ASSERT_TRUE(wait_until([&] { return ready_says(R"("data":{"ok":false)"); }));
  EXPECT_EQ(get("/readyz").status, 503);
  ASSERT_TRUE(redis::mark_ready(*client_));
  ASSERT_TRUE(wait_until([&] { return get("/readyz").status == 200; })) << get("/readyz").body;
  const std::string body = get("/readyz").body;
  EXPECT_NE(body.find(R"("redis":{"ok":true)"), std::string::npos);
  EXPECT_NE(body.find(R"("detail":"version )" + std::to_string(kLuaLibrary.version) + " hash " +
                      std::string(kLuaLibrary.hash)),
            std::string::npos);
  EXPECT_NE(body.find("appendonly yes appendfsync always aof-load-truncated no"), std::string::npos);
  EXPECT_NE(body.find(R"("rabbitmq":{"ok":false,"required":false)"), std::string::npos);
  EXPECT_NE(get("/metrics").body.find("flashclaim_claims_total{answer=\"ACCEPTED\"} 0"), std::string::npos);
  EXPECT_EQ(engine_->stop(), 0) << engine_->output();
}

TEST_F(EngineProcess, IsNotReadyWhenA202WouldNotBeDurable) {
  start("http");
  ASSERT_TRUE(redis::mark_ready(*client_));
  ASSERT_TRUE(wait_until([&] { return get("/readyz").status == 200; }));
  ASSERT_TRUE(client_->command({"CONFIG", "SET", "appendfsync", "everysec"}));
  EXPECT_TRUE(wait_until([&] { return ready_says(R"("durability":{"ok":false)"); }));
  EXPECT_EQ(get("/readyz").status, 503);
  ASSERT_TRUE(client_->command({"CONFIG", "SET", "appendfsync", "always"}));
  EXPECT_TRUE(wait_until([&] { return get("/readyz").status == 200; }));
  ASSERT_TRUE(client_->command({"CONFIG", "SET", "aof-load-truncated", "yes"}));
  EXPECT_TRUE(wait_until([&] { return ready_says("would come back"); }));
  EXPECT_EQ(get("/readyz").status, 503);
  ASSERT_TRUE(client_->command({"CONFIG", "SET", "aof-load-truncated", "no"}));
}

TEST_F(EngineProcess, IsNotReadyWithoutTheLibrary) {
  start("http");
  ASSERT_TRUE(redis::mark_ready(*client_));
  ASSERT_TRUE(wait_until([&] { return get("/readyz").status == 200; }));
  ASSERT_TRUE(client_->command({"FUNCTION", "FLUSH"}));
  EXPECT_TRUE(wait_until([&] { return ready_says(R"("lua":{"ok":false)"); }));
  EXPECT_EQ(get("/readyz").status, 503);
}

TEST_F(EngineProcess, TheMirrorRoleHasNoPublicListener) {
  start("mirror");
  EXPECT_THROW(harness::RawConnection connection(port_), std::runtime_error);
  EXPECT_NE(get("/metrics").body.find("flashclaim_mirror_published_total 0"), std::string::npos);
  EXPECT_EQ(engine_->stop(), 0) << engine_->output();
}

TEST_F(EngineProcess, ASecondSignalEndsItAtOnce) {
  start("http");
  harness::RawConnection unfinished(port_);
  unfinished.send("GET /coupons/1 HTTP/1.1\r\n");  // holds the drain open
  ASSERT_TRUE(
      wait_until([&] { return get("/metrics").body.find("flashclaim_http_connections 1") != std::string::npos; }));
  engine_->signal(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return get("/readyz").body.find("draining") != std::string::npos; }));
  engine_->signal(SIGTERM);
  EXPECT_EQ(engine_->wait(), 1);
}

TEST_F(EngineProcess, SaysWhyItCannotStart) {
  start("http");
  const Finished taken = run_program("flashclaim-engine", arguments("http"), environment());
  EXPECT_EQ(taken.exit_code, 1);
  EXPECT_NE(taken.err.find("is taken by another program"), std::string::npos) << taken.err;
  const Finished no_url = run_program("flashclaim-engine", arguments("http"), {{"REDIS_URL", ""}});
  EXPECT_EQ(no_url.exit_code, 1);
  EXPECT_NE(no_url.err.find("REDIS_URL is not set"), std::string::npos) << no_url.err;
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {"--no-such-flag"}, {"word"}, {"--role", "x"}, {"--listen", "localhost:1"}, {"--threads", "0"}})
    EXPECT_EQ(run_program("flashclaim-engine", wrong, environment()).exit_code, 2) << wrong.front();
}

}  // namespace
}  // namespace flashclaim
