// HTTP by itself: one claim request parsed, one answer written, as the engine does both.
#include <benchmark/benchmark.h>

#include <string>

#include "bench/claim_http.h"
#include "engine/http/answer.h"
#include "engine/http/parser.h"
#include "engine/http/problem.h"

namespace flashclaim::bench {
namespace {

void BM_ParseClaim(benchmark::State& state) {
  std::string bytes;
  append_claim_request(bytes, "127.0.0.1:8080", 42, 1'234'567);
  http::Parser parser(8192, 4096);
  http::Request request;
  for (auto _ : state) {
    auto parsed = parser.parse(bytes, request);
    if (parsed.outcome != http::ParseOutcome::kRequest) state.SkipWithError("not a request");
    benchmark::DoNotOptimize(request);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ParseClaim);

void write(benchmark::State& state, const http::Answer& answer) {
  std::string date = http::http_date(1'795'380'024);
  std::string out;
  for (auto _ : state) {
    out.clear();
    http::append_answer(out, answer, {date, "0123456789abcdef"});
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(out.size()));
}

void BM_AnswerAccepted(benchmark::State& state) {
  write(state, {http::Status::kAccepted, http::kJson, "Location: /claims/42-1-1795380024805-0-0\r\n",
                R"({"claimId":"42-1-1795380024805-0-0","couponId":"42","status":"pending"})"});
}
BENCHMARK(BM_AnswerAccepted);

void BM_AnswerSoldOut(benchmark::State& state) { write(state, http::problem_answer(http::Problem::kSoldOut)); }
BENCHMARK(BM_AnswerSoldOut);

}  // namespace
}  // namespace flashclaim::bench
