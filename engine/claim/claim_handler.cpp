// Routes a request to a claim queue, a view or a long poll, and keeps one queue per active coupon.
#include "engine/claim/claim_handler.h"

#include "engine/claim/route.h"

namespace flashclaim::claim {

using auth::Caller;
using http::Exchange;
using http::Method;
using http::Problem;
using http::Request;

namespace {

constexpr std::uint64_t kWaitingMax = 32768;  ///< claims of one thread, in and before flight; more: BUSY
constexpr std::size_t kQueuesKept = 1024;     ///< beyond it an idle coupon's queue is dropped

}  // namespace

ClaimHandler::ClaimHandler(loop::Loop& loop)
    : polls_(loop, views_, counters_), end_of_turn_(loop, [this] { on_end_of_turn(); }) {}

void ClaimHandler::bind(http::Server& server, redis::AsyncClient& client, redis::Subscriber& subscriber,
                        auth::AuthFilter& auth, auth::Guarded& others) {
  auth_ = &auth;
  context_.server = &server;
  context_.client = &client;
  context_.counters = &counters_;
  context_.end_of_turn = &end_of_turn_;
  views_.bind(server, client);
  polls_.bind(subscriber);
  others_ = &others;
}

void ClaimHandler::handle(const Request& request, const Caller& caller, Exchange exchange) noexcept {
  Target target = parse_target(request.path);
  if (target.route == Route::kReceive && request.method == Method::kPost)
    return receive(request, caller, exchange, target.id);
  counters_.views.add();
  const bool reads = request.method == Method::kGet || request.method == Method::kHead;
  if (target.route == Route::kClaimView && reads) return show_claim(request, caller, exchange, target.id);
  others_->handle(request, caller, exchange);
}

void ClaimHandler::refuse_claim(Exchange exchange, Problem problem) {
  counters_.claims_refused[static_cast<std::size_t>(problem)].add();
  context_.server->refuse(exchange, problem);
}

void ClaimHandler::receive(const Request& request, const Caller& caller, Exchange exchange, std::string_view id) {
  auto coupon_id = parse_id(id);
  if (!coupon_id) return refuse_claim(exchange, Problem::kCouponNotFound);
  if (!caller.known()) {
    counters_.claims_refused[static_cast<std::size_t>(Problem::kUnauthenticated)].add();
    return auth_->refuse_unknown(exchange);
  }
  http::HeaderMatch key = request.header("idempotency-key");
  if (key.count > 1 || (key.count == 1 && !redis::idempotency_key_fits(key.value)))
    return refuse_claim(exchange, Problem::kInvalidRequest);
  if (!context_.client->ready()) return refuse_claim(exchange, Problem::kNotReady);
  if (counters_.waiting.value() >= kWaitingMax) return refuse_claim(exchange, Problem::kBusy);
  Queue& queue = queue_of(*coupon_id);
  const std::int64_t now_us = loop::now_us();
  if (key.count == 0) {
    if (const auto problem = queue.cached_refusal(now_us)) {
      counters_.answered_locally.add();
      return refuse_claim(exchange, *problem);
    }
  }
  if (!queue.admits(now_us)) return refuse_claim(exchange, Problem::kBusy);
  queue.add({exchange, now_us}, caller.user, key.value);
}

void ClaimHandler::show_claim(const Request& request, const Caller& caller, Exchange exchange, std::string_view id) {
  auto claim = parse_claim_id(id);
  auto wait_ms = parse_wait(request.query);
  if (!caller.known() && auth_->must_be_known()) {
    auth_->refuse_unknown(exchange);
  } else if (!wait_ms) {
    context_.server->refuse(exchange, Problem::kInvalidRequest);
  } else if (!claim) {
    context_.server->refuse(exchange, Problem::kClaimNotFound);
  } else {
    polls_.wait(exchange, *claim, caller.user_id, *wait_ms);
  }
}

Queue& ClaimHandler::queue_of(std::int64_t coupon_id) {
  if (last_queue_ && last_queue_->coupon_id() == coupon_id) return *last_queue_;
  auto& queue = queues_[coupon_id];
  if (!queue) queue = std::make_unique<Queue>(context_, coupon_id);
  last_queue_ = queue.get();
  return *queue;
}

void ClaimHandler::on_end_of_turn() {
  sending_.swap(context_.to_send);
  for (Queue* queue : sending_) queue->send();
  sending_.clear();
  if (queues_.size() > kQueuesKept) drop_idle_queues();
  context_.idle_coupons.clear();
}

/// A queue costs a kilobyte, and anybody may ask for any coupon.
void ClaimHandler::drop_idle_queues() {
  for (std::int64_t coupon_id : context_.idle_coupons) {
    auto found = queues_.find(coupon_id);
    if (found == queues_.end() || !found->second->idle()) continue;
    if (last_queue_ == found->second.get()) last_queue_ = nullptr;
    queues_.erase(found);
  }
}

}  // namespace flashclaim::claim
