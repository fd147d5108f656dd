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

std::unique_ptr<postgres::Session> fresh_database(int user_limit) {
  auto session = postgres::Session::connect(harness::PrivatePostgres::shared().migrated_database(), "bench_parts");
  if (!session) throw std::runtime_error(session.error().message);
  auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  postgres::NewCoupon coupon{42, "bench", 1'000'000'000, user_limit, now_ms - kDayMs, now_ms + kDayMs};
  auto created = postgres::create_coupon(**session, coupon);
  if (!created) throw std::runtime_error(created.error().message);
  auto published = postgres::operate_coupon(**session, 42, postgres::Operation::kPublish);
  if (!published) throw std::runtime_error(published.error().message);
  return std::move(*session);
}

/// Batches that all settle: each of `user_limit` batches in a row is of the same users, so that all reach the limit.
void settle(benchmark::State& state, postgres::Session& session, std::int64_t batch, int user_limit) {
  std::vector<postgres::SettleClaim> claims(static_cast<std::size_t>(batch));
  std::int64_t entry_ms = 1'795'380'024'805;
  std::int64_t batches = 0;
  for (auto _ : state) {
    ++entry_ms;
    const std::int64_t first_user = 1 + batches++ / user_limit * batch;
    for (std::size_t i = 0; i < claims.size(); ++i)
      claims[i] = {42, 1, {entry_ms, 0}, static_cast<int>(i), first_user + static_cast<std::int64_t>(i)};
    auto settled = postgres::settle_claims(session, claims);
    if (!settled || settled->back().outcome != postgres::Outcome::kSettled) state.SkipWithError("not settled");
  }
  state.SetItemsProcessed(state.iterations() * batch);
}

void BM_Settle(benchmark::State& state) {
  auto session = fresh_database(1);
  settle(state, *session, state.range(0), 1);
}
BENCHMARK(BM_Settle)->Arg(1)->Arg(16)->Arg(64)->Arg(256)->Arg(1024)->Arg(4096)->UseRealTime();

void BM_SettleUserLimit(benchmark::State& state) {
  const auto user_limit = static_cast<int>(state.range(0));
  auto session = fresh_database(user_limit);
  settle(state, *session, 1024, user_limit);
}
BENCHMARK(BM_SettleUserLimit)->Arg(1)->Arg(2)->Arg(10)->UseRealTime();

/// A coupon that has refused one claim.
void BM_SettleAfterARefusal(benchmark::State& state) {
  auto session = fresh_database(1);
  const std::vector<postgres::SettleClaim> twice{{42, 1, {1000, 0}, 0, 999'999'999},
                                                 {42, 1, {1000, 0}, 1, 999'999'999}};
  auto refused = postgres::settle_claims(*session, twice);
  if (!refused || refused->back().outcome != postgres::Outcome::kOverLimit) state.SkipWithError("not refused");
  settle(state, *session, 1024, 1);
}
BENCHMARK(BM_SettleAfterARefusal)->UseRealTime();

/// One user who holds many rows takes a thousand more, again and again.
void BM_SettleOneUserWhoHolds(benchmark::State& state) {
  auto session = fresh_database(1'000'000);
  std::vector<postgres::SettleClaim> claims(1000);
  std::int64_t entry_ms = 1000;
  const auto take = [&] {
    ++entry_ms;
    for (std::size_t i = 0; i < claims.size(); ++i) claims[i] = {42, 1, {entry_ms, 0}, static_cast<int>(i), 7};
    auto settled = postgres::settle_claims(*session, claims);
    if (!settled || settled->back().outcome != postgres::Outcome::kSettled) state.SkipWithError("not settled");
  };
  for (std::int64_t held = 0; held < state.range(0); held += 1000) take();
  for (auto _ : state) take();
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(BM_SettleOneUserWhoHolds)->Arg(0)->Arg(40'000)->UseRealTime()->Iterations(20);

}  // namespace
}  // namespace flashclaim::bench
