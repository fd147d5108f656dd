// Reads status and body of an answer, and tallies what it means.
#include "bench/claim_http.h"

#include <spdlog/fmt/fmt.h>

#include <iterator>
#include <numeric>

namespace flashclaim::bench {
namespace {

constexpr std::size_t kExampleMax = 120;

/// The value of a string member of a flat JSON object whose values hold no escapes (ids and codes do not).
std::string_view string_member(std::string_view json, std::string_view quoted_name) {
  std::size_t at = json.find(quoted_name);
  if (at == std::string_view::npos) return {};
  json.remove_prefix(at + quoted_name.size());
  std::size_t open = json.find_first_not_of(": ");
  if (open == std::string_view::npos || json[open] != '"') return {};
  json.remove_prefix(open + 1);
  return json.substr(0, json.find('"'));
}

std::optional<http::Problem> problem_named(std::string_view code) {
  for (const ProblemRow& row : kProblems)
    if (row.code == code) return row.problem;
  return std::nullopt;
}

}  // namespace

void append_claim_request(std::string& out, std::string_view host, std::int64_t coupon_id, std::int64_t user_id,
                          std::string_view key) {
  fmt::format_to(std::back_inserter(out),
                 "POST /coupons/{}/receive HTTP/1.1\r\nHost: {}\r\nX-User-Id: {}\r\nContent-Length: 0\r\n", coupon_id,
                 host, user_id);
  if (!key.empty()) fmt::format_to(std::back_inserter(out), "Idempotency-Key: {}\r\n", key);
  out.append("\r\n");
}

ClaimAnswer read_claim_answer(const Response& response, std::int64_t coupon_id) {
  switch (response.fate) {
    case Fate::kNotSent:
      return {Attempt::kNotSent, {}, {}};
    case Fate::kUnknown:
      return {Attempt::kUnknown, {}, {}};
    case Fate::kAnswered:
      break;
  }
  if (response.status == 202) {
    auto claim = parse_claim_id(string_member(response.body, "\"claimId\""));
    if (!claim || claim->coupon_id != coupon_id) return {};
    return {Attempt::kAccepted, {}, *claim};
  }
  auto problem = problem_named(string_member(response.body, "\"code\""));
  if (!problem || static_cast<int>(http::problem_status(*problem)) != response.status) return {};
  return {*problem == http::Problem::kOutcomeUnknown ? Attempt::kUnknown : Attempt::kRefused, problem, {}};
}

bool is_passing(http::Problem problem) {
  return row_of(problem).cause == Cause::kMoment && row_of(problem).applied == Applied::kNo;
}

void Tally::count(const ClaimAnswer& answer, const Response& response) {
  if ((response.status == 429 || response.status == 503) && response.retry_after_s < 0) ++without_retry_after;
  switch (answer.attempt) {
    case Attempt::kAccepted:
      ++accepted;
      return;
    case Attempt::kRefused:
      ++refused[static_cast<std::size_t>(*answer.problem)];
      return;
    case Attempt::kUnknown:
      ++(answer.problem ? outcome_unknown : unanswered);
      if (!answer.problem && unanswered_reason.empty()) unanswered_reason = response.reason;
      return;
    case Attempt::kNotSent:
      ++not_sent;
      return;
    case Attempt::kUnexpected:
      ++unexpected;
      if (unexpected_example.empty())
        unexpected_example = fmt::format("{} {}", response.status, response.body.substr(0, kExampleMax));
      return;
  }
}

void Tally::merge(const Tally& other) {
  accepted += other.accepted;
  for (std::size_t i = 0; i < refused.size(); ++i) refused[i] += other.refused[i];
  outcome_unknown += other.outcome_unknown;
  unanswered += other.unanswered;
  not_sent += other.not_sent;
  unexpected += other.unexpected;
  without_retry_after += other.without_retry_after;
  if (unexpected_example.empty()) unexpected_example = other.unexpected_example;
  if (unanswered_reason.empty()) unanswered_reason = other.unanswered_reason;
}

std::int64_t Tally::refused_total() const { return std::accumulate(refused.begin(), refused.end(), std::int64_t{0}); }

std::string Tally::complaint() const {
  std::int64_t judged = accepted;
  for (int i = 0; i < http::kProblemCount; ++i) {
    const auto problem = static_cast<http::Problem>(i);
    const Cause cause = row_of(problem).cause;
    if ((cause == Cause::kCaller || cause == Cause::kServer) && of(problem) > 0)
      return fmt::format("{} of {} claims were answered {}", of(problem), attempts(), http::problem_code(problem));
    if (cause == Cause::kRule) judged += of(problem);
  }
  if (judged > 0) return "";
  return "no claim was accepted, and none was refused by the rules of its coupon";
}

std::int64_t Tally::attempts() const {
  return accepted + refused_total() + outcome_unknown + unanswered + not_sent + unexpected;
}

}  // namespace flashclaim::bench
