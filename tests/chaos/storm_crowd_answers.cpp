// What the crowd makes of an answer: final, to be repeated, in doubt, or not in the API.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "tests/chaos/storm_crowd_state.h"

namespace flashclaim::chaos {
namespace {

using bench::Attempt;
using http::Problem;

constexpr std::int64_t kSoldOutQuietMs = 1500;
constexpr std::int64_t kEndedQuietMs = 15'000;
constexpr std::int64_t kPauseFirstMs = 20;
constexpr int kDoublingsMax = 6;
constexpr std::size_t kPollsKept = 5000;

}  // namespace

/// An accepted claim is pending or settled, whatever happens; that it cannot be asked now is honest too.
void Crowd::State::polled(const bench::Response& response) {
  if (response.fate != bench::Fate::kAnswered || response.status == 503) return;
  const bool right = response.status == 200 && (response.body.find("\"pending\"") != std::string_view::npos ||
                                                response.body.find("\"settled\"") != std::string_view::npos);
  if (right) return;
  ++report.unexpected[fmt::format("poll {}", response.status)];
  log.wrong(fmt::format("poll of an accepted claim: {} {}", response.status, response.body));
}

void Crowd::State::count_answer(const bench::ClaimAnswer& answer, const bench::Response& response) {
  if (response.fate == bench::Fate::kNotSent) {
    ++report.answers["not sent"];
  } else if (response.fate == bench::Fate::kUnknown) {
    ++report.answers["lost"];
  } else if (answer.problem) {
    ++report.answers[fmt::format("{} {}", response.status, http::problem_code(*answer.problem))];
  } else {
    ++report.answers[std::to_string(response.status)];
  }
}

void Crowd::State::ended(std::uint64_t tag, const bench::Response& response) {
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
  if (order.key == 0 || finish_by_ms != 0 || dice() % 50 != 0) return;
  ++report.replays;
  Order again = order;
  again.replay = true;
  again.claim = claim;
  again.attempts = 0;
  const std::size_t index = room_for(again);  // `order` may have moved
  retries.push({loop::now_ms() + static_cast<std::int64_t>(dice() % 10'000), index});
}

void Crowd::State::refused(const Order& order, Problem problem) {
  if (order.replay) return unexpected("an accepted key was refused", order);
  if (order.doubtful) ++report.doubts[{order.coupon, order.user}];
  using Kind = operations::ReportedRefusal::Kind;
  switch (problem) {
    case Problem::kSoldOut:
      quiet_until[order.coupon] = loop::now_ms() + kSoldOutQuietMs;
      report.refusals.push_back({{order.coupon, order.user, Kind::kSoldOut}, order.sent_ms, wall_ms()});
      return;
    case Problem::kLimitReached:
      report.refusals.push_back({{order.coupon, order.user, Kind::kLimitReached}, order.sent_ms, wall_ms()});
      return;
    case Problem::kPaused:
      return;
    case Problem::kEnded:
      quiet_until[order.coupon] = loop::now_ms() + kEndedQuietMs;
      return;
    default:
      return unexpected(std::string(http::problem_code(problem)), order);
  }
}

void Crowd::State::lost(std::size_t index, const bench::Response& /*response*/) {
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

}  // namespace flashclaim::chaos
