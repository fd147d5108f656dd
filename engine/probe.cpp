// Asks for library, durability settings, ready mark and role; each answer becomes one check.
#include "engine/probe.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>

#include "engine/base/ids.h"
#include "engine/base/log.h"
#include "engine/base/try.h"
#include "engine/redis/async.h"
#include "engine/redis/errors.h"
#include "engine/redis/keys.h"
#include "engine/redis/resp.h"
#include "engine/redis/role.h"

namespace flashclaim {
namespace {

constexpr int kPeriodMs = 1000;

using http::Check;
using redis::ReplyView;

Check library_check(const ReplyView& reply, const LuaLibrary& library) {
  Check check{"lua", false, true, {}};
  std::string wanted = fmt::format("version {} hash {}", library.version, library.hash);
  auto version = parse_number(reply[0].text());
  if (reply.is_error() || !version) {
    check.detail = "not loaded: run `flashctl lua load`; wanted " + wanted;
    return check;
  }
  std::string_view hash = reply[1].text();
  check.detail = fmt::format("version {} hash {}", *version, hash);
  check.ok = *version > library.version || (*version == library.version && hash == library.hash);
  if (check.ok) return check;
  check.detail += ", wanted " + wanted;
  check.detail +=
      *version == library.version
          ? ": another text of the same version. If the library was changed, raise lua/VERSION, build, and run "
            "`flashctl lua load`; else start the engine of the build that loaded it"
          : ": older than this engine: run `flashctl lua load`";
  return check;
}

Check durability_check(const ReplyView& reply) {
  Check check{"durability", false, true, {}};
  std::string_view appendonly = "?";
  std::string_view appendfsync = "?";
  std::string_view truncated = "?";
  for (std::size_t i = 0; i + 1 < reply.size(); i += 2) {
    if (reply[i].text() == "appendonly") appendonly = reply[i + 1].text();
    if (reply[i].text() == "appendfsync") appendfsync = reply[i + 1].text();
    if (reply[i].text() == "aof-load-truncated") truncated = reply[i + 1].text();
  }
  const bool durable = appendonly == "yes" && appendfsync == "always";
  check.ok = durable && truncated == "no";  // why: engine/redis/README.md
  check.detail = fmt::format("appendonly {} appendfsync {} aof-load-truncated {}", appendonly, appendfsync, truncated);
  if (!durable) check.detail += ": a 202 is not durable";
  if (durable && !check.ok) check.detail += ": after a torn write, claims that nobody was told of would come back";
  return check;
}

Check data_check(const ReplyView& reply) {
  bool marked = reply.kind() == redis::ReplyKind::kInteger && reply.integer() == 1;
  return {"data", marked, true, marked ? "loaded" : "not loaded, or lost: run `flashctl rebuild`"};
}

/// To a command that counts as a write and changes nothing: refused whenever a claim would be.
Check writes_check(const ReplyView& reply) {
  if (!reply.is_error()) return {"writes", true, true, "redis takes writes"};
  return {"writes", false, true, "redis takes no writes: " + std::string(reply.text().substr(0, 200))};
}

/// Nothing is known then; the way out stands in `rights`.
Check forbidden(std::string name) { return {std::move(name), false, true, "this login may not ask: see rights"}; }

Check unheard(std::string name) { return {std::move(name), false, true, "redis does not answer"}; }

}  // namespace

struct RedisProbe::State {
  State(loop::Loop& loop, const LuaLibrary& l) : library(l), timer(loop, [this] { ask(); }) {}

  /// One question, asked again and again; at most one of it is under way.
  struct Question final : redis::Call {
    void answered(const ReplyView& reply) noexcept override {
      under_way = false;
      state->note(redis::is_denied(reply) ? forbidden(name) : judge(reply));
    }
    void lost() noexcept override {
      under_way = false;
      state->note(unheard(name));
    }
    State* state = nullptr;
    std::string name;
    std::string command;
    std::function<Check(const ReplyView&)> judge;
    bool under_way = false;
  };

  void prepare(Question& question, std::string name, std::initializer_list<std::string_view> words,
               std::function<Check(const ReplyView&)> judge) {
    question.state = this;
    question.name = name;
    redis::append_resp(question.command, std::span(words.begin(), words.size()));
    question.judge = std::move(judge);
    known.push_back(unheard(std::move(name)));
  }

  void ask() {
    note({"redis", client->ready(), true, client->ready() ? "connected" : "not connected: " + client->trouble()});
    for (Question& question : questions) {
      if (question.under_way) continue;
      question.under_way = client->send(question.command, question) == redis::Sent::kYes;
      if (!question.under_way) note(unheard(question.name));
    }
  }

  void note(Check check) {
    std::lock_guard lock(mutex);
    auto old = std::find_if(known.begin(), known.end(), [&](const Check& c) { return c.name == check.name; });
    if (old != known.end()) *old = std::move(check);
  }

  const LuaLibrary& library;
  mutable std::mutex mutex;
  std::vector<Check> known;
  std::array<Question, 4> questions;
  loop::Timer timer;
  std::unique_ptr<redis::AsyncClient> client;
};

RedisProbe::RedisProbe(std::unique_ptr<State> state) : state_(std::move(state)) {}
RedisProbe::~RedisProbe() = default;

Result<std::unique_ptr<RedisProbe>> RedisProbe::create(loop::Loop& loop, const std::string& redis_url,
                                                       const LuaLibrary& library) {
  auto state = std::make_unique<State>(loop, library);
  state->client = TRY(redis::AsyncClient::create(loop, redis_url, {.name = "probe"}));
  state->known.push_back(unheard("redis"));
  state->prepare(state->questions[0], "lua", {"FCALL_RO", "flashclaim_version", "0"},
                 [&library](const ReplyView& reply) { return library_check(reply, library); });
  state->prepare(state->questions[1], "durability", {"CONFIG", "GET", "append*", "aof-load-truncated"},
                 durability_check);
  state->prepare(state->questions[2], "data", {"EXISTS", redis::kReady}, data_check);
  state->prepare(state->questions[3], "writes", {"XADD", redis::kNoClaims, "NOMKSTREAM", "*", "p", "1"}, writes_check);
  state->timer.every_ms(kPeriodMs);
  return std::unique_ptr<RedisProbe>(new RedisProbe(std::move(state)));
}

std::vector<http::Check> RedisProbe::checks() const {
  std::lock_guard lock(state_->mutex);
  return state_->known;
}

}  // namespace flashclaim
