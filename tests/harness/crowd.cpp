// A thread with a loop, one HTTP client for each engine, and a line of claims to repeat.
#include "tests/harness/crowd.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <queue>
#include <random>
#include <unordered_map>

#include "bench/http_client.h"
#include "engine/loop/loop.h"

namespace flashclaim::harness {
namespace {

constexpr std::int64_t kTickMs = 2;
constexpr std::int64_t kRepeatMs = 40;  ///< before an attempt is repeated, at least; the server's word may be later

struct Claim {
  std::int64_t coupon_id = 0;
  std::int64_t user_id = 0;
  bool sent = false;
};
struct Repeat {
  std::int64_t due_ms;
  std::uint64_t claim;
  bool operator>(const Repeat& other) const { return due_ms > other.due_ms; }
};

bench::HttpClientOptions client_options(const CrowdOptions& options, int port) {
  bench::HttpClientOptions client;
  client.address = {"127.0.0.1", port};
  client.connections = options.connections;
  client.deadline_ms = options.attempt_ms;
  return client;
}

}  // namespace

struct Crowd::State {
  explicit State(const CrowdOptions& o) : options(o), random(o.seed), tick(loop, [this] { on_tick(); }) {
    for (const int port : options.ports)
      clients.push_back(std::make_unique<bench::HttpClient>(
          loop, client_options(options, port),
          [this](std::uint64_t claim, const bench::Response& response) { ended(claim, response); },
          [this] { pump(); }));
    earned_at_us = loop::now_us();
    tick.every_ms(kTickMs);
  }

  void on_tick() {
    const std::int64_t now_us = loop::now_us();
    if (!finishing) due += static_cast<double>(now_us - earned_at_us) * options.per_second / 1e6;
    due = std::min(due, static_cast<double>(options.per_second));  // what could not be begun for a second is not owed
    earned_at_us = now_us;
    pump();
    if (finishing && (open.empty() || loop::now_ms() >= give_up_at_ms)) loop.stop();
  }

  void pump() {
    while (bench::HttpClient* client = free_client()) {
      if (!repeats.empty() && repeats.top().due_ms <= loop::now_ms()) {
        const std::uint64_t claim = repeats.top().claim;
        repeats.pop();
        send(*client, claim);
      } else if (!finishing && due >= 1 && static_cast<std::int64_t>(open.size()) < options.open_max) {
        due -= 1;
        const std::uint64_t claim = static_cast<std::uint64_t>(++report.begun);
        open[claim] = {options.coupons[random() % options.coupons.size()],
                       1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(options.users))};
        send(*client, claim);
      } else {
        return;
      }
    }
  }

  /// Engines take turns, so a repeat mostly meets another one.
  bench::HttpClient* free_client() {
    for (std::size_t tried = 0; tried < clients.size(); ++tried) {
      bench::HttpClient* client = clients[turn++ % clients.size()].get();
      if (client->slots() > 0) return client;
    }
    return nullptr;
  }

  void send(bench::HttpClient& client, std::uint64_t number) {
    Claim& claim = open.at(number);
    report.repeats += claim.sent ? 1 : 0;
    claim.sent = true;
    request.clear();
    bench::append_claim_request(request, "127.0.0.1", claim.coupon_id, claim.user_id,
                                fmt::format("{}-{}", options.seed, number));
    client.send(number, request);
  }

  void ended(std::uint64_t number, const bench::Response& response) {
    const Claim claim = open.at(number);
    const bench::ClaimAnswer answer = bench::read_claim_answer(response, claim.coupon_id);
    const bool again = answer.attempt == bench::Attempt::kNotSent || answer.attempt == bench::Attempt::kUnknown ||
                       (answer.attempt == bench::Attempt::kRefused && bench::is_passing(*answer.problem));
    report.attempts.count(answer, response);
    if (again) {
      const auto jitter = static_cast<std::int64_t>(random() % kRepeatMs);
      const std::int64_t told_ms = std::max(response.retry_after_s, 0) * 1000LL;
      repeats.push({loop::now_ms() + std::max(kRepeatMs, told_ms) + jitter, number});
      return;
    }
    report.tally.count(answer, response);
    using Kind = operations::ReportedRefusal::Kind;
    if (answer.attempt == bench::Attempt::kAccepted) {
      report.acknowledged.push_back({answer.claim, claim.user_id});
      accepted.store(static_cast<std::int64_t>(report.acknowledged.size()));
    } else if (answer.problem == http::Problem::kSoldOut) {
      report.told.push_back({claim.coupon_id, claim.user_id, Kind::kSoldOut});
    } else if (answer.problem == http::Problem::kLimitReached) {
      report.told.push_back({claim.coupon_id, claim.user_id, Kind::kLimitReached});
    }
    open.erase(number);
  }

  const CrowdOptions options;
  std::mt19937_64 random;
  loop::Loop loop;
  loop::Timer tick;
  std::vector<std::unique_ptr<bench::HttpClient>> clients;
  std::size_t turn = 0;
  std::unordered_map<std::uint64_t, Claim> open;  ///< begun, no final word yet
  std::priority_queue<Repeat, std::vector<Repeat>, std::greater<>> repeats;
  std::string request;
  double due = 0;  ///< claims that may be begun now
  std::int64_t earned_at_us = 0;
  bool finishing = false;
  std::int64_t give_up_at_ms = 0;
  CrowdReport report;
  std::atomic<std::int64_t> accepted{0};
};

Crowd::Crowd(const CrowdOptions& options)
    : state_(std::make_unique<State>(options)), thread_([this] { state_->loop.run(); }) {}

Crowd::~Crowd() {
  if (thread_.joinable()) (void)finish(0);
}

std::int64_t Crowd::accepted() const { return state_->accepted.load(); }

CrowdReport Crowd::finish(std::int64_t patience_ms) {
  state_->loop.post([state = state_.get(), patience_ms] {
    state->finishing = true;
    state->give_up_at_ms = loop::now_ms() + patience_ms;
  });
  thread_.join();
  state_->report.unlearnt = static_cast<std::int64_t>(state_->open.size());
  return std::move(state_->report);
}

}  // namespace flashclaim::harness
