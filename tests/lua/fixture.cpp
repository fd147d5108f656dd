// The fixture over the one Redis of this test process.
#include "tests/lua/fixture.h"

#include <optional>
#include <stdexcept>

#include "engine/base/assets.h"

namespace flashclaim {

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message);
  }
  return std::move(result).value();
}

}  // namespace

redis::Client connect_to(const std::string& url) { return must(redis::Client::connect(url, std::chrono::seconds(60))); }

std::string shown(redis::ReplyView reply) {
  switch (reply.kind()) {
    case redis::ReplyKind::kNil:
      return "(nil)";
    case redis::ReplyKind::kInteger:
      return std::to_string(reply.integer());
    case redis::ReplyKind::kError:
      return "!" + std::string(reply.text());
    case redis::ReplyKind::kString:
    case redis::ReplyKind::kStatus:
      return std::string(reply.text());
    case redis::ReplyKind::kArray:
      break;
  }
  std::string text;
  for (std::size_t i = 0; i < reply.size(); ++i) {
    text += (i == 0 ? "" : "|") + shown(reply[i]);
  }
  return text;
}

std::string error_code(const std::string& reply) {
  return reply.starts_with("!") ? reply.substr(1, reply.find(' ') - 1) : "";
}

redis::Client& LuaTest::client() {
  static redis::Client connection = [] {
    auto made = connect_to(harness::PrivateRedis::shared().url());
    must(ok(made.command({"CONFIG", "SET", "appendfsync", "no"})));  // nothing here is about durability
    return made;
  }();
  return connection;
}

void LuaTest::SetUp() {
  must(redis::load_library(client(), kLuaLibrary));
  must(ok(client().command({"FLUSHALL"})));
}

std::string LuaTest::command(const Words& argv) { return shown(must(client().command(argv)).view()); }

std::string LuaTest::call(const std::string& function, const Words& key_names, const Words& args) {
  Words argv{"FCALL", function, std::to_string(key_names.size())};
  argv.insert(argv.end(), key_names.begin(), key_names.end());
  argv.insert(argv.end(), args.begin(), args.end());
  return command(argv);
}

std::vector<std::string> LuaTest::pipeline(const Commands& commands) {
  for (const auto& argv : commands) {
    client().append(argv);
  }
  Words replies;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    replies.push_back(shown(must(client().read()).view()));
  }
  return replies;
}

std::map<std::string, std::string> LuaTest::picture() {
  const auto names = must(client().command({"KEYS", "*"}));
  Commands asked;
  for (std::size_t i = 0; i < names.size(); ++i) {
    asked.push_back({"DUMP", std::string(names[i].text())});
    asked.push_back({"PTTL", std::string(names[i].text())});
  }
  const auto replies = pipeline(asked);
  std::map<std::string, std::string> all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    all[std::string(names[i].text())] = replies[2 * i] + (replies[2 * i + 1] == "-1" ? "" : " expires");
  }
  return all;
}

std::int64_t LuaTest::now_ms() {
  const auto time = must(client().command({"TIME"}));
  return *parse_number(time[0].text()) * 1000 + *parse_number(time[1].text()) / 1000;
}

redis::CouponSettings LuaTest::settings(std::int64_t total, std::int64_t user_limit) {
  const auto now = now_ms();
  return {kCoupon, 1, 1, "issuing", "A coupon", total, user_limit, now - kHourMs, now + kHourMs, 1'000'000};
}

void LuaTest::publish(const redis::CouponSettings& wanted) {
  ASSERT_EQ(call("mark_ready", {ready}, {}), "READY");
  ASSERT_EQ(apply(wanted, true), "APPLIED");
}

std::string LuaTest::apply(const redis::CouponSettings& wanted, bool create) {
  return std::string(word(must(redis::apply_state(client(), wanted, create))));
}

std::string LuaTest::claim(const Words& args) {
  const auto reply = call("claim", {keys.coupon, keys.stock, keys.claims, ready}, args);
  if (reply.starts_with("!")) {
    return reply;
  }
  const auto words = reply.find('|') + 1;
  return reply.substr(words, reply.find('|', words) - words);
}

EntryId LuaTest::last_entry() {
  const auto newest = must(client().command({"XREVRANGE", keys.claims, "+", "-", "COUNT", "1"}));
  return parse_entry_id(newest[0][0].text()).value_or(EntryId{});
}

EntryId LuaTest::accept(const Words& users) {
  std::string all = "ACCEPTED";
  for (std::size_t i = 1; i < users.size(); ++i) {
    all += " ACCEPTED";
  }
  EXPECT_EQ(claim(users), all);
  return last_entry();
}

std::string LuaTest::finish(EntryId entry, int claims, const Words& refusals, bool fresh, int epoch) {
  Words args{std::to_string(epoch), entry.text(), std::to_string(claims), fresh ? "1" : "0"};
  args.insert(args.end(), refusals.begin(), refusals.end());
  return call("finish", {keys.coupon, keys.stock, keys.claims, keys.dead, keys.result(entry)}, args);
}

}  // namespace flashclaim
