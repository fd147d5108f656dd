// The crowd at work: who wants what, and when an attempt is made.
#include "tests/chaos/storm_crowd.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "tests/chaos/storm_crowd_state.h"

namespace flashclaim::chaos {
namespace {

constexpr std::size_t kRecentUsers = 4000;

}  // namespace

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
bench::HttpClient* Crowd::State::client_for(const Order* order) {
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
