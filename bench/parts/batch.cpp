// The batch of the claim handler by itself: claims gathered into one preformatted FCALL.
#include "engine/claim/batch.h"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace flashclaim::bench {
namespace {

void BM_BuildBatch(benchmark::State& state) {
  redis::CouponKeys keys(42);
  std::vector<std::string> users;
  for (std::int64_t i = 0; i < state.range(0); ++i) users.push_back(std::to_string(1'000'000 + i));
  claim::Batch batch;
  for (auto _ : state) {
    batch.begin(keys);
    for (const std::string& user : users) batch.add({}, user, {});
    benchmark::DoNotOptimize(batch.command());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_BuildBatch)->Arg(1)->Arg(8)->Arg(64)->Arg(256);

}  // namespace
}  // namespace flashclaim::bench
