// The door by itself: what it costs a request to be known and to be counted.
#include <benchmark/benchmark.h>

#include <ctime>
#include <string>
#include <vector>

#include "engine/auth/auth_filter.h"
#include "engine/auth/buckets.h"
#include "engine/auth/gateway.h"
#include "engine/http/parser.h"
#include "engine/loop/loop.h"
#include "tests/harness/tokens.h"

namespace flashclaim::bench {
namespace {

/// Parsed once; its views point into `bytes`.
struct Asked {
  explicit Asked(const std::string& headers) : bytes(line() + headers + "\r\n") {
    parser.parse(bytes, request);
    request.peer = &peer;
  }
  static std::string line() { return "POST /coupons/42/receive HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"; }

  http::Parser parser{8192, 4096};
  http::Peer peer;
  std::string bytes;
  http::Request request;
};

std::vector<auth::GatewayKey> keys() {
  return *auth::parse_gateway_keys("a " + std::string(64, 'a') + "\nb " + std::string(64, 'b') + "\n");
}

std::string signed_headers(const auth::GatewayKey& key, std::int64_t now_s) {
  const std::string time = std::to_string(now_s);
  return "X-User-Id: 1234567\r\nX-Auth-Time: " + time + "\r\nX-Auth-Key: " + key.id + "\r\nX-Auth-Signature: " +
         auth::hex_of(auth::gateway_signature(key.hmac, {"POST", "/coupons/42/receive", "1234567", time})) + "\r\n";
}

void BM_AuthCredentials(benchmark::State& state) {
  const Asked asked("X-User-Id: 1234567\r\nContent-Length: 0\r\n");
  for (auto _ : state) benchmark::DoNotOptimize(auth::credentials_of(asked.request));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_AuthCredentials);

void BM_AuthGateway(benchmark::State& state) {
  const auto listed = keys();
  const std::int64_t now_s = std::time(nullptr);
  const Asked asked(signed_headers(listed.back(), now_s));
  for (auto _ : state) {
    const auto shown = auth::credentials_of(asked.request);
    if (auth::check_gateway(listed, asked.request, shown, now_s) != auth::Fault::kNone)
      state.SkipWithError("not believed");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_AuthGateway);

/// The same digest through OpenSSL's HMAC(), which allocates: why engine/auth/hmac.cpp does not use it.
void BM_AuthHmacOfOpenSsl(benchmark::State& state) {
  const std::string text = "POST\n/coupons/42/receive\n1234567\n1795380024";
  for (auto _ : state) benchmark::DoNotOptimize(harness::hmac_sha256(std::string(32, 'a'), text));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_AuthHmacOfOpenSsl);

void BM_AuthToken(benchmark::State& state, const char* algorithm) {
  const harness::TokenMint mint(algorithm, "k");
  const auto listed = *auth::parse_jwks(harness::jwk_set({mint.jwk()}));
  const std::string token = mint.token(R"({"sub":"1234567","aud":"flashclaim","exp":4102444800})");
  auth::TokenReader reader("flashclaim");
  for (auto _ : state)
    if (reader.read(listed, token, 1795380024).fault != auth::Fault::kNone) state.SkipWithError("not believed");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(BM_AuthToken, HS256, "HS256");
BENCHMARK_CAPTURE(BM_AuthToken, RS256, "RS256");
BENCHMARK_CAPTURE(BM_AuthToken, ES256, "ES256");
BENCHMARK_CAPTURE(BM_AuthToken, EdDSA, "EdDSA");

/// `range` different users, each over and over; two threads share the table.
void BM_AuthBuckets(benchmark::State& state) {
  static auth::Buckets buckets(10);
  const auto users = static_cast<std::uint64_t>(state.range(0));
  std::uint64_t user = static_cast<std::uint64_t>(state.thread_index()) * 7919;
  for (auto _ : state) benchmark::DoNotOptimize(buckets.take(user++ % users, 0, loop::now_us()));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_AuthBuckets)->Arg(1)->Arg(100000)->Threads(1)->Threads(2);

}  // namespace
}  // namespace flashclaim::bench
