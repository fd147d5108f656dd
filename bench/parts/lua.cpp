// The Lua function claim by itself, per batch size, on a private Redis set up as the stack sets it up (AOF, fsync
// always).
#include <benchmark/benchmark.h>

#include <chrono>
#include <vector>

#include "engine/base/assets.h"
#include "engine/redis/functions.h"
#include "engine/redis/library.h"
#include "tests/harness/services.h"

namespace flashclaim::bench {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

/// A client on an empty Redis that has the library and coupon 42, open, with stock for every run.
redis::Client fresh_redis() {
  auto& server = harness::PrivateRedis::shared();
  server.flush();
  auto client = redis::Client::connect(server.url(), std::chrono::seconds(30));
  if (!client) throw std::runtime_error(client.error().message);
  auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  redis::CouponSettings settings{
      42, 1, 1, "issuing", "bench", 1'000'000'000, 1, now_ms - kDayMs, now_ms + kDayMs, 1'000'000'000};
  auto loaded = redis::load_library(*client, kLuaLibrary);
  auto ready = redis::mark_ready(*client);
  if (!loaded || !ready) throw std::runtime_error("the library did not load");
  auto applied = redis::apply_state(*client, settings, true);
  if (!applied || *applied != redis::ApplyReply::kApplied) throw std::runtime_error("the coupon was not applied");
  return std::move(*client);
}

void BM_LuaClaim(benchmark::State& state) {
  auto client = fresh_redis();
  std::vector<redis::ClaimRequest> claims(static_cast<std::size_t>(state.range(0)));
  std::int64_t user = 0;
  for (auto _ : state) {
    for (auto& claim : claims) claim.user_id = ++user;
    auto verdicts = redis::claim(client, 42, claims);
    if (!verdicts || verdicts->back().verdict != redis::Verdict::kAccepted) state.SkipWithError("not accepted");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_LuaClaim)->Arg(1)->Arg(8)->Arg(64)->Arg(256)->UseRealTime();

void BM_LuaSoldOutClaim(benchmark::State& state) {
  auto client = fresh_redis();
  if (!redis::ok(client.command({"SET", redis::CouponKeys(42).stock, "0"}))) state.SkipWithError("stock was not set");
  std::vector<redis::ClaimRequest> claims(static_cast<std::size_t>(state.range(0)));
  std::int64_t user = 0;
  for (auto _ : state) {
    for (auto& claim : claims) claim.user_id = ++user;
    auto verdicts = redis::claim(client, 42, claims);
    if (!verdicts || verdicts->back().refusal != Problem::kSoldOut) state.SkipWithError("not sold out");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_LuaSoldOutClaim)->Arg(1)->Arg(64)->UseRealTime();

}  // namespace
}  // namespace flashclaim::bench
