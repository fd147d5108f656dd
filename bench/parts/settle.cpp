// The SQL function settle_claims by itself, per batch size, on a private PostgreSQL with synchronous commit.
#include "engine/postgres/settle.h"

#include <benchmark/benchmark.h>

#include <chrono>
#include <vector>

#include "engine/postgres/coupons.h"
#include "engine/postgres/session.h"
#include "tests/harness/services.h"

namespace flashclaim::bench {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

std::unique_ptr<postgres::Session> fresh_database() {
  auto session = postgres::Session::connect(harness::PrivatePostgres::shared().migrated_database(), "bench_parts");
  if (!session) throw std::runtime_error(session.error().message);
  auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  postgres::NewCoupon coupon{42, "bench", 1'000'000'000, 1, now_ms - kDayMs, now_ms + kDayMs};
  auto created = postgres::create_coupon(**session, coupon);
  if (!created) throw std::runtime_error(created.error().message);
  auto published = postgres::operate_coupon(**session, 42, postgres::Operation::kPublish);
  if (!published) throw std::runtime_error(published.error().message);
  return std::move(*session);
}

void BM_Settle(benchmark::State& state) {
  auto session = fresh_database();
  std::vector<postgres::SettleClaim> claims(static_cast<std::size_t>(state.range(0)));
  std::int64_t user = 0;
  std::int64_t entry_ms = 1'795'380'024'805;
  for (auto _ : state) {
    ++entry_ms;
    for (std::size_t i = 0; i < claims.size(); ++i) claims[i] = {42, 1, {entry_ms, 0}, static_cast<int>(i), ++user};
    auto settled = postgres::settle_claims(*session, claims);
    if (!settled || settled->back().outcome != postgres::Outcome::kSettled) state.SkipWithError("not settled");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Settle)->Arg(1)->Arg(16)->Arg(64)->Arg(256)->Arg(1024)->Arg(4096)->UseRealTime();

}  // namespace
}  // namespace flashclaim::bench
