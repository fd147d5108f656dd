// One loop, one client for each engine, and the life of every claim from the first attempt to its final answer.
#include "tests/chaos/storm_crowd.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <deque>
#include <queue>
#include <random>

#include "bench/claim_http.h"
#include "engine/http/client.h"
#include "engine/loop/loop.h"

namespace flashclaim::chaos {
namespace {

using bench::Attempt;
using http::Problem;

constexpr std::int64_t kTickMs = 5;
constexpr std::int64_t kAttemptDeadlineMs = 4000;
constexpr std::int64_t kSoldOutQuietMs = 1500;
constexpr std::int64_t kPauseFirstMs = 20;
constexpr int kDoublingsMax = 6;
constexpr std::size_t kRecentUsers = 4000;
constexpr std::int64_t kFirstUser = 1'000'000'000'000'000;  // long ids: no digit may get lost
constexpr std::size_t kPollsKept = 5000;
constexpr std::uint64_t kPollTag = std::uint64_t{1} << 63;

/// One claim that somebody wants.
struct Order {
  std::int64_t coupon = 0;
  std::int64_t user = 0;
  std::uint64_t key = 0;  ///< 0: sent without an Idempotency-Key
  std::int64_t sent_ms = 0;
  int attempts = 0;
  bool doubtful = false;  ///< an earlier attempt may have been applied
  bool replay = false;    ///< accepted before: must get `claim` again
  ClaimId claim;
};

struct Retry {
  std::int64_t due_ms;
  std::size_t order;
  bool operator>(const Retry& other) const { return due_ms > other.due_ms; }
};

struct Users {
  std::int64_t next = kFirstUser;
  std::deque<std::int64_t> recent;
};

}  // namespace

struct Crowd::State {
  State(const CrowdOptions& given, Sale& the_sale, StormLog& the_log, Crowd& owner)
      : options(given), sale(the_sale), log(the_log), crowd(owner), dice(given.seed), tick(loop, [this] {
          on_tick();
        }) {
    for (const http::Address& address : options.engines) {
      http::ClientOptions client;
      client.address = address;
      client.connections = options.connections;
      client.pipeline = options.pipeline;
      client.deadline_ms = kAttemptDeadlineMs;
      hosts.push_back(address.text());
      clients.push_back(std::make_unique<http::Client>(
          loop, client, [this](std::uint64_t tag, const http::Response& response) { ended(tag, response); }, [] {}));
    }
    last_ms = loop::now_ms();
    tick.every_ms(kTickMs);
  }

  void on_tick();
  void wish();
  std::int64_t some_user(const Sale::Coupon& coupon);
  std::size_t room_for(Order order);
  http::Client* client_for(const Order* order);
  void send(std::size_t index);
  void send_poll();
  void ended(std::uint64_t tag, const http::Response& response);
  void polled(const http::Response& response);
  void accepted(Order& order, const ClaimId& claim);
  void refused(const Order& order, Problem problem);
  void lost(std::size_t index, const http::Response& response);
  void retry(std::size_t index, int retry_after_s);
  void final_answer(std::size_t index);
  void unexpected(const std::string& what, const Order& order);
  void count_answer(const bench::ClaimAnswer& answer, const http::Response& response);

  CrowdOptions options;
  Sale& sale;
  StormLog& log;
  Crowd& crowd;
  std::mt19937_64 dice;
  CrowdReport report;
  std::vector<Order> orders;
  std::vector<std::size_t> free;
  std::priority_queue<Retry, std::vector<Retry>, std::greater<>> retries;
  std::map<std::int64_t, Users> users;
  std::map<std::int64_t, std::int64_t> quiet_until;  ///< coupons that are sold out, and when somebody asks again
  std::deque<ClaimId> to_poll;
  std::vector<std::string> hosts;
  std::string request;
  std::uint64_t keys = 0;
  double tokens = 0;
  std::int64_t last_ms = 0;
  std::int64_t finish_by_ms = 0;  ///< 0: the sale goes on
  loop::Loop loop;
  loop::Timer tick;
  std::vector<std::unique_ptr<http::Client>> clients;
};

void Crowd::State::on_tick() {
  const std::int64_t now = loop::now_ms();
  tokens = std::min(tokens + static_cast<double>((now - last_ms) * options.rate) / 1000.0,
                    static_cast<double>(options.rate) / 4);
  last_ms = now;
  while (!retries.empty() && retries.top().due_ms <= now && client_for(nullptr) != nullptr) {
    const std::size_t index = retries.top().order;
    retries.pop();
    send(index);
  }
  while (finish_by_ms == 0 && tokens >= 1 && crowd.open_ < options.open_max && client_for(nullptr) != nullptr) {
    tokens -= 1;
    wish();
  }
  if (!to_poll.empty() && dice() % 4 == 0 && client_for(nullptr) != nullptr) send_poll();
  if (finish_by_ms != 0 && (crowd.open_ == 0 || now > finish_by_ms)) {
    report.unresolved = crowd.open_;
    loop.stop();
  }
}

/// Somebody wants a coupon: mostly one that is not known to be sold out.
void Crowd::State::wish() {
  const std::vector<Sale::Coupon> coupons = sale.coupons();
  const std::int64_t now = loop::now_ms();
  std::vector<std::int64_t> weights;
  std::int64_t all = 0;
  for (const Sale::Coupon& coupon : coupons) {
    const auto quiet = quiet_until.find(coupon.id);
    const bool asleep = quiet != quiet_until.end() && quiet->second > now;
    all += weights.emplace_back(asleep ? 0 : coupon.weight);
  }
  if (all == 0) return;
  std::int64_t at = static_cast<std::int64_t>(dice() % static_cast<std::uint64_t>(all));
  std::size_t chosen = 0;
  while (at >= weights[chosen]) at -= weights[chosen++];
  Order order;
  order.coupon = coupons[chosen].id;
  order.user = some_user(coupons[chosen]);
  order.key = dice() % 10 < 7 ? ++keys : 0;
  ++report.attempted;
  send(room_for(order));
}

/// New users, and users who come again: up to their limit and beyond.
std::int64_t Crowd::State::some_user(const Sale::Coupon& coupon) {
  Users& known = users[coupon.id];
  const bool again = !known.recent.empty() && dice() % 100 < (coupon.limit == 1 ? 6 : 62);
  if (again) return known.recent[dice() % known.recent.size()];
  known.recent.push_back(++known.next);
  if (known.recent.size() > kRecentUsers) known.recent.pop_front();
  return known.next;
}

std::size_t Crowd::State::room_for(Order order) {
  ++crowd.open_;
  if (free.empty()) {
    orders.push_back(order);
    return orders.size() - 1;
  }
  const std::size_t index = free.back();
  free.pop_back();
  orders[index] = order;
  return index;
}

/// Any engine with room; a second attempt goes to any of them too.
http::Client* Crowd::State::client_for(const Order* order) {
  const std::size_t first = order == nullptr ? 0 : dice() % clients.size();
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const auto& client = clients[(first + i) % clients.size()];
    if (client->slots() > 0) return client.get();
  }
  return nullptr;
}

void Crowd::State::send(std::size_t index) {
  Order& order = orders[index];
  request.clear();
  fmt::format_to(std::back_inserter(request), "POST /coupons/{}/receive HTTP/1.1\r\nHost: {}\r\nX-User-Id: {}\r\n",
                 order.coupon, hosts[0], order.user);
  if (order.key != 0) fmt::format_to(std::back_inserter(request), "Idempotency-Key: storm-{}\r\n", order.key);
  request += "Content-Length: 0\r\n\r\n";
  ++order.attempts;
  ++report.requests;
  order.sent_ms = wall_ms();
  client_for(&order)->send(index, request);
}

void Crowd::State::send_poll() {
  const ClaimId claim = to_poll.front();
  to_poll.pop_front();
  ++report.polls;
  client_for(nullptr)->send(kPollTag,
                            fmt::format("GET /claims/{} HTTP/1.1\r\nHost: {}\r\n\r\n", claim.text(), hosts[0]));
}

/// An accepted claim is pending or settled, whatever happens; that it cannot be asked now is honest too.
void Crowd::State::polled(const http::Response& response) {
  if (response.fate != http::Fate::kAnswered || response.status == 503) return;
  const bool right = response.status == 200 && (response.body.find("\"pending\"") != std::string_view::npos ||
                                                response.body.find("\"settled\"") != std::string_view::npos);
  if (right) return;
  ++report.unexpected[fmt::format("poll {}", response.status)];
  log.wrong(fmt::format("poll of an accepted claim: {} {}", response.status, response.body));
}

void Crowd::State::count_answer(const bench::ClaimAnswer& answer, const http::Response& response) {
  if (response.fate == http::Fate::kNotSent) {
    ++report.answers["not sent"];
  } else if (response.fate == http::Fate::kUnknown) {
    ++report.answers["lost"];
  } else if (answer.problem) {
    ++report.answers[fmt::format("{} {}", response.status, http::problem_code(*answer.problem))];
  } else {
    ++report.answers[std::to_string(response.status)];
  }
}

void Crowd::State::ended(std::uint64_t tag, const http::Response& response) {
  if (tag == kPollTag) return polled(response);
  const std::size_t index = tag;
  Order& order = orders[index];
  const bench::ClaimAnswer answer = bench::read_claim_answer(response, order.coupon);
  count_answer(answer, response);
  switch (answer.attempt) {
    case Attempt::kAccepted:
      accepted(order, answer.claim);
      return final_answer(index);
    case Attempt::kNotSent:
      return retry(index, -1);
    case Attempt::kUnknown:
      return lost(index, response);
    case Attempt::kRefused:
      if (bench::is_passing(*answer.problem)) return retry(index, response.retry_after_s);
      refused(order, *answer.problem);
      return final_answer(index);
    case Attempt::kUnexpected:
      unexpected(fmt::format("{} {}", response.status, response.body.substr(0, 200)), order);
      return final_answer(index);
  }
}

void Crowd::State::accepted(Order& order, const ClaimId& claim) {
  if (order.replay) {
    if (claim != order.claim)
      unexpected(fmt::format("a second claim {} for {}", claim.text(), order.claim.text()), order);
    return;
  }
  report.acknowledged.push_back({claim, order.user});
  ++crowd.acknowledged_;
  // Redis gave this id before the last attempt was sent: an earlier one had been carried out.
  if (order.doubtful && claim.entry.ms < order.sent_ms) ++report.recovered;
  if (dice() % 40 == 0 && to_poll.size() < kPollsKept) to_poll.push_back(claim);
  if (order.key == 0 || dice() % 50 != 0) return;
  ++report.replays;
  Order again = order;
  again.replay = true;
  again.claim = claim;
  again.attempts = 0;
  const std::size_t index = room_for(again);  // `order` may have moved
  retries.push({loop::now_ms() + static_cast<std::int64_t>(dice() % 20'000), index});
}

void Crowd::State::refused(const Order& order, Problem problem) {
  if (order.replay) return unexpected("an accepted key was refused", order);
  if (order.doubtful) ++report.doubts[{order.coupon, order.user}];
  using Verdict = admin::Told::Verdict;
  switch (problem) {
    case Problem::kSoldOut:
      quiet_until[order.coupon] = loop::now_ms() + kSoldOutQuietMs;
      report.refusals.push_back({{order.coupon, order.user, Verdict::kSoldOut}, order.sent_ms, wall_ms()});
      return;
    case Problem::kLimitReached:
      report.refusals.push_back({{order.coupon, order.user, Verdict::kLimitReached}, order.sent_ms, wall_ms()});
      return;
    case Problem::kPaused:
    case Problem::kEnded:
      return;
    default:
      return unexpected(std::string(http::problem_code(problem)), order);
  }
}

void Crowd::State::lost(std::size_t index, const http::Response& /*response*/) {
  Order& order = orders[index];
  if (order.key != 0) {
    order.doubtful = true;
    return retry(index, -1);
  }
  ++report.unlearnt;
  ++report.doubts[{order.coupon, order.user}];
  final_answer(index);
}

/// Capped exponential back-off with jitter, and never before the server's own word.
void Crowd::State::retry(std::size_t index, int retry_after_s) {
  const std::int64_t ceiling = kPauseFirstMs << std::min(orders[index].attempts, kDoublingsMax);
  const std::int64_t wait = ceiling / 2 + static_cast<std::int64_t>(dice() % static_cast<std::uint64_t>(ceiling));
  retries.push({loop::now_ms() + std::max<std::int64_t>(wait, retry_after_s * 1000LL), index});
}

void Crowd::State::final_answer(std::size_t index) {
  free.push_back(index);
  --crowd.open_;
}

void Crowd::State::unexpected(const std::string& what, const Order& order) {
  ++report.unexpected[what.substr(0, 60)];
  log.wrong(fmt::format("unexpected answer to user {} of coupon {} (key {}{}): {}", order.user, order.coupon, order.key,
                        order.replay ? ", replay" : "", what));
}

Crowd::Crowd(const CrowdOptions& options, Sale& sale, StormLog& log)
    : state_(std::make_unique<State>(options, sale, log, *this)) {}

Crowd::~Crowd() {
  if (!thread_.joinable()) return;
  state_->loop.stop();
  thread_.join();
}

void Crowd::begin() {
  thread_ = std::thread([this] { state_->loop.run(); });
}

CrowdReport Crowd::finish(std::int64_t deadline_ms) {
  state_->loop.post([this, deadline_ms] { state_->finish_by_ms = loop::now_ms() + deadline_ms; });
  thread_.join();
  return std::move(state_->report);
}

}  // namespace flashclaim::chaos
