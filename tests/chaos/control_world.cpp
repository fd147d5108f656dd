// Cuts a guard out of the Lua or SQL source, loads the result, and runs the scene with it.
#include "tests/chaos/control_world.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "engine/base/assets.h"
#include "engine/mirror/stream_reader.h"
#include "engine/operations/dlq_work.h"
#include "engine/redis/library.h"

namespace flashclaim::chaos {
namespace {

/// `source` with its one occurrence of `text` replaced. Fails the test when there is not exactly one.
std::string replaced(std::string source, std::string_view text, std::string_view by) {
  const auto at = source.find(text);
  EXPECT_TRUE(at != std::string::npos && source.find(text, at + 1) == std::string::npos)
      << "the source does not hold exactly once: " << text;
  if (at != std::string::npos) source.replace(at, text.size(), by);
  return source;
}

/// The last statement of the migrations that creates or replaces this function, made repeatable.
std::string source_of_function(std::string_view name) {
  std::string source;
  for (const char* create : {"CREATE", "CREATE OR REPLACE"}) {
    const std::string head = fmt::format("{} FUNCTION {}(", create, name);
    for (const auto& migration : migrations()) {
      const auto begin = migration.sql.find(head);
      if (begin == std::string_view::npos) continue;
      const auto body = begin + std::string_view(create).size();
      source =
          "CREATE OR REPLACE" + std::string(migration.sql.substr(body, migration.sql.find("$$;", begin) + 3 - body));
    }
  }
  EXPECT_NE(source, "") << "no migration creates " << name;
  return source;
}

}  // namespace

void Control::TearDown() {
  CrashWorld::TearDown();
  // By hand: the loader takes the altered library for the one that it was made from.
  if (!lua_altered_) return;
  EXPECT_TRUE(redis::ok(redis().command({"FUNCTION", "LOAD", "REPLACE", kLuaLibrary.code})).has_value());
}

void Control::without(const std::string& guards, const std::string& always) {
  environment_["FLASHCLAIM_WITHOUT"] = always + "," + (removed() ? guards : "");
}

void Control::without_lua(std::string_view text, std::string_view by) {
  const std::string altered = replaced(std::string(kLuaLibrary.code), text, by);
  if (removed()) load_lua(altered);
}

void Control::always_without_lua(std::string_view text, std::string_view by) {
  load_lua(replaced(std::string(kLuaLibrary.code), text, by));
}

void Control::load_lua(const std::string& code) {
  lua_altered_ = true;
  const auto loaded = redis::ok(redis().command({"FUNCTION", "LOAD", "REPLACE", code}));
  EXPECT_TRUE(loaded) << loaded.error().message;
}

void Control::without_sql(std::string_view function, const Edits& edits) {
  std::string altered = source_of_function(function);
  for (const auto& [text, by] : edits) altered = replaced(altered, text, by);
  if (removed()) sql(altered);
}

void Control::always_without_sql(std::string_view function, const Edits& edits) {
  std::string altered = source_of_function(function);
  for (const auto& [text, by] : edits) altered = replaced(altered, text, by);
  sql(altered);
}

void Control::claim_for(std::int64_t coupon, const std::vector<std::int64_t>& users) {
  for (const auto user : users) {
    harness::RawAnswer answer;
    // Not every thread of the engine is connected yet: nothing was applied then.
    EXPECT_TRUE(wait_until([&] {
      answer = claim(coupon, user);
      return answer.body.find("NOT_READY") == std::string::npos;
    }));
    accepted(answer, user);
  }
}

void Control::accept_some(std::int64_t coupon, int claims) {
  for (int user = 1; user <= claims; ++user) accept(coupon, user);
}

std::int64_t Control::mirrored(int claims) {
  engine_ = engine();
  const auto coupon = open_coupon(100, 1);
  accept_some(coupon, claims);
  await_mirror(coupon);
  return coupon;
}

void Control::await_mirror(std::int64_t coupon, std::int64_t pending) {
  EXPECT_TRUE(wait_until([&] {
    mirror::StreamReader reader(redis(), "test");
    const std::int64_t coupons[] = {coupon};
    const auto depth = reader.depths(coupons).value().at(0);
    return depth.unread == 0 && depth.pending == pending;
  })) << "the mirror does not come to that";
}

void Control::let_consumer_die_at(const std::string& point) {
  harness::Environment armed = environment_;
  armed["FLASHCLAIM_CRASH"] = point + ":1";
  harness::Process dying(programs_ + "flashclaim-consumer", {"--workers=1", "--admin-listen=127.0.0.1:0"}, armed);
  EXPECT_EQ(dying.wait(std::chrono::seconds(120)), 137) << dying.output();
}

void Control::consume_everything(std::int64_t coupon) {
  consumer_ = consumer({"--workers=1"});
  // Subscribed: the queue is there, should a scene have deleted it.
  EXPECT_TRUE(wait_until([&] { return harness::raw_request(consumer_admin_port_, "GET", "/readyz").status == 200; }));
  // Without a guard of the mirror this claim may be lost, too: then another one tells when the consumer is through.
  EXPECT_TRUE(wait_until([&] {
    const ClaimId id = accept(coupon, 900'001 + static_cast<std::int64_t>(told_.acknowledged.size()));
    return wait_until([&] { return postgres::find_claim(pg(), id).value().has_value(); }, std::chrono::seconds(10));
  }));
}

std::vector<mirror::EntryMessage> Control::entries(std::int64_t coupon) {
  std::vector<mirror::EntryMessage> messages;
  const auto page = redis::ok(redis().command({"XRANGE", redis::CouponKeys(coupon).claims, "-", "+"})).value();
  for (std::size_t i = 0; i < page.size(); ++i) messages.push_back(operations::message_of(coupon, page[i]).value());
  return messages;
}

void Control::verdict(int invariant, std::string_view words) {
  if (!removed()) {
    judge();
    return;
  }
  operations::CheckOptions options;
  options.acknowledged = told_.acknowledged;
  options.told = told_.told;
  const auto report = operations::check(admin_redis(), admin_pg(), &admin_amqp(), coupons_, options).value();
  bool found = false;
  for (const auto& violation : report.violations) {
    fmt::print("  INV-{}: {}\n", violation.invariant, violation.text);
    found = found || (violation.invariant == invariant && violation.text.find(words) != std::string::npos);
  }
  EXPECT_TRUE(found) << "the checker does not see that the guard is gone: INV-" << invariant << " ... " << words;
}

}  // namespace flashclaim::chaos
