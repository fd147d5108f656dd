// A scene for tests of the HTTP front: one worker in this process against a real Redis.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "engine/base/assets.h"
#include "engine/base/ids.h"
#include "engine/redis/client.h"
#include "engine/redis/functions.h"
#include "engine/redis/library.h"
#include "engine/worker.h"
#include "tests/harness/logins.h"
#include "tests/harness/raw_http.h"
#include "tests/harness/services.h"
#include "tests/harness/wait.h"

namespace flashclaim {

using harness::PrivateRedis;
using harness::raw_request;
using harness::RawAnswer;
using harness::RawConnection;
using harness::wait_until;

constexpr std::int64_t kFarAheadMs = 4000000000000;

class EngineWorld : public testing::Test {
 protected:
  void SetUp() override { use(PrivateRedis::shared()); }

  void use(PrivateRedis& redis) {
    redis_ = &redis;
    redis.flush();
    client_.emplace(connect());
    ASSERT_TRUE(redis::load_library(*client_, kLuaLibrary));
    ASSERT_TRUE(redis::mark_ready(*client_));
  }
  void TearDown() override { worker_.reset(); }

  redis::Client connect() {
    auto client = redis::Client::connect(redis_->url(), std::chrono::seconds(60));
    if (!client) throw std::runtime_error(client.error().message);
    return std::move(*client);
  }

  void start_engine() { start_engine(redis_->url()); }
  void start_engine(const std::string& url, const http::Cors& cors = {}) {
    auto started = Worker::start({.listen = {"127.0.0.1", 0}, .redis_url = harness::as("engine", url), .cors = cors});
    ASSERT_TRUE(started) << started.error().message;
    worker_ = std::move(*started);
    ASSERT_TRUE(wait_until([&] { return connected(); }));
  }
  bool connected() const { return worker_->redis_counters().ready.load(); }

  redis::CouponSettings coupon(std::int64_t id, std::int64_t total, std::int64_t user_limit) {
    redis::CouponSettings settings;
    settings.coupon_id = id;
    settings.epoch = 1;
    settings.version = 1;
    settings.status = "issuing";
    settings.name = "Half price";
    settings.total = total;
    settings.user_limit = user_limit;
    settings.begin_ms = 1000000000000;
    settings.end_ms = kFarAheadMs;
    settings.max_inflight = 2000000;
    return settings;
  }
  void publish(const redis::CouponSettings& settings) {
    auto applied = redis::apply_state(*client_, settings, settings.version == 1);
    ASSERT_TRUE(applied) << applied.error().message;
    ASSERT_EQ(*applied, redis::ApplyReply::kApplied);
  }

  RawAnswer receive(std::int64_t coupon_id, std::int64_t user_id, const std::string& headers = "") {
    return raw_request(worker_->port(), "POST", "/coupons/" + std::to_string(coupon_id) + "/receive",
                       "X-User-Id: " + std::to_string(user_id) + "\r\n" + headers);
  }
  RawAnswer get(const std::string& path, const std::string& headers = "") {
    return raw_request(worker_->port(), "GET", path, headers);
  }
  static std::string code(const RawAnswer& answer) { return field(answer, "code"); }
  static std::string field(const RawAnswer& answer, const std::string& name) {
    const std::string key = "\"" + name + "\":\"";
    const std::size_t at = answer.body.find(key);
    if (at == std::string::npos) return "";
    return answer.body.substr(at + key.size(), answer.body.find('"', at + key.size()) - at - key.size());
  }
  std::string text_of(std::initializer_list<std::string_view> command) {
    auto reply = client_->command(command);
    return reply ? std::string(reply->text()) : reply.error().message;
  }

  PrivateRedis* redis_ = nullptr;
  std::optional<redis::Client> client_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace flashclaim
