// Runs one HTTP client on a loop until every claim has its answer.
#include "bench/claim_run.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <queue>
#include <random>

#include "bench/http_client.h"
#include "engine/loop/loop.h"

namespace flashclaim::bench {
namespace {

constexpr std::int64_t kTickMs = 10;  ///< how often retries that have become due, and reasons to stop, are looked for
constexpr std::int64_t kBackoffFirstMs = 25;
constexpr std::int64_t kBackoffMaxMs = 2000;

struct Retry {
  std::int64_t due_ms;
  std::size_t order;
  bool operator>(const Retry& other) const { return due_ms > other.due_ms; }
};

class ClaimRun {
 public:
  ClaimRun(std::span<const ClaimOrder> orders, const ClaimRunOptions& options)
      : orders_(orders),
        options_(options),
        sent_us_(orders.size()),
        attempts_(orders.size()),
        tick_(loop_, [this] { tick(); }),
        client_(
            loop_, client_options(options),
            [this](std::uint64_t tag, const Response& response) { ended(tag, response); }, [this] { pump(); }) {}

  ClaimRunReport run() {
    std::int64_t start = loop::now_us();
    last_final_ms_ = loop::now_ms();
    tick_.every_ms(kTickMs);
    if (orders_.empty()) loop_.stop();
    loop_.run();
    report_.elapsed_us = loop::now_us() - start;
    if (options_.progress) options_.progress(final_);
    return std::move(report_);
  }

 private:
  static HttpClientOptions client_options(const ClaimRunOptions& options) {
    HttpClientOptions client;
    client.address = options.address;
    client.connections = options.connections;
    client.deadline_ms = options.deadline_ms;
    return client;
  }

  void pump() {
    while (client_.slots() > 0) {
      if (!retries_.empty() && retries_.top().due_ms <= loop::now_ms()) {
        std::size_t order = retries_.top().order;
        retries_.pop();
        send(order);
      } else if (next_ < orders_.size()) {
        send(next_++);
      } else {
        return;
      }
    }
  }

  void send(std::size_t order) {
    request_.clear();
    append_claim_request(request_, options_.host, orders_[order].coupon_id, orders_[order].user_id);
    sent_us_[order] = loop::now_us();
    client_.send(order, request_);
  }

  void ended(std::size_t order, const Response& response) {
    ClaimAnswer answer = read_claim_answer(response, orders_[order].coupon_id);
    if (response.fate == Fate::kAnswered) report_.latency_us.record(loop::now_us() - sent_us_[order]);
    bool again =
        answer.attempt == Attempt::kNotSent || (answer.attempt == Attempt::kRefused && is_passing(*answer.problem));
    if (again) return retry_later(order, response.retry_after_s);
    report_.tally.count(answer, response);
    keep(orders_[order], answer);
    last_final_ms_ = loop::now_ms();
    if (++final_ == orders_.size()) loop_.stop();
  }

  void keep(const ClaimOrder& order, const ClaimAnswer& answer) {
    if (answer.attempt == Attempt::kAccepted) report_.acknowledged.push_back({answer.claim, order.user_id});
    if (answer.attempt == Attempt::kUnknown || answer.attempt == Attempt::kUnexpected)
      ++report_.unlearnt[order.coupon_id];
    if (answer.attempt != Attempt::kRefused) return;
    if (*answer.problem == http::Problem::kSoldOut)
      report_.told.push_back({order.coupon_id, order.user_id, operations::ReportedRefusal::Kind::kSoldOut});
    if (*answer.problem == http::Problem::kLimitReached)
      report_.told.push_back({order.coupon_id, order.user_id, operations::ReportedRefusal::Kind::kLimitReached});
  }

  /// Capped exponential back-off with jitter, and never before the server's own word.
  void retry_later(std::size_t order, int retry_after_s) {
    ++report_.retries;
    int doublings = std::min<int>(attempts_[order], 7);
    if (doublings < 7) ++attempts_[order];
    std::int64_t ceiling = std::min(kBackoffFirstMs << doublings, kBackoffMaxMs);
    std::int64_t wait = ceiling / 2 + static_cast<std::int64_t>(jitter_() % static_cast<unsigned>(ceiling));
    retries_.push({loop::now_ms() + std::max<std::int64_t>(wait, retry_after_s * 1000LL), order});
  }

  void tick() {
    pump();
    if (options_.progress) options_.progress(static_cast<std::int64_t>(final_));
    if (options_.interrupted && *options_.interrupted) return stop("interrupted");
    if (loop::now_ms() - last_final_ms_ <= options_.give_up_after_ms) return;
    stop(fmt::format("no final answer for {} s{}{}", options_.give_up_after_ms / 1000,
                     client_.last_error().empty() ? "" : "; last error: ", client_.last_error()));
  }

  void stop(std::string why) {
    report_.stopped = std::move(why);
    loop_.stop();
  }

  std::span<const ClaimOrder> orders_;
  const ClaimRunOptions& options_;
  std::vector<std::int64_t> sent_us_;
  std::vector<std::uint8_t> attempts_;  ///< tried again so often; only its small values matter
  ClaimRunReport report_;
  std::priority_queue<Retry, std::vector<Retry>, std::greater<>> retries_;
  std::string request_;
  std::size_t next_ = 0;
  std::size_t final_ = 0;
  std::int64_t last_final_ms_ = 0;
  std::minstd_rand jitter_{std::random_device{}()};
  loop::Loop loop_;
  loop::Timer tick_;
  HttpClient client_;
};

}  // namespace

ClaimRunReport run_claims(std::span<const ClaimOrder> orders, const ClaimRunOptions& options) {
  return ClaimRun(orders, options).run();
}

}  // namespace flashclaim::bench
