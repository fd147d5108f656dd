// The message between mirror and consumer by itself: encoded, and decoded with all its checks.
#include <benchmark/benchmark.h>

#include "engine/base/digest.h"
#include "engine/mirror/message.h"

namespace flashclaim::bench {
namespace {

mirror::EntryMessage message_of(std::int64_t claims) {
  mirror::EntryMessage message{42, 1, {1'795'380'024'805, 0}, {}};
  for (std::int64_t i = 0; i < claims; ++i) message.users.push_back(1'000'000 + i);
  return message;
}

void BM_EncodeMessage(benchmark::State& state) {
  auto message = message_of(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(mirror::encode(message));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_EncodeMessage)->Arg(1)->Arg(64)->Arg(256);

void BM_DecodeMessage(benchmark::State& state) {
  auto message = message_of(state.range(0));
  std::string body = mirror::encode(message);
  std::string sum = checksum(body);
  for (auto _ : state) {
    auto decoded = mirror::decode(body, sum);
    if (!decoded || *decoded != message) state.SkipWithError("not the same message");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_DecodeMessage)->Arg(1)->Arg(64)->Arg(256);

}  // namespace
}  // namespace flashclaim::bench
