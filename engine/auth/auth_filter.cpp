// Finds the caller by the configured scheme, applies the limits, and passes the request on or refuses it.
#include "engine/auth/auth_filter.h"

#include <spdlog/fmt/fmt.h>

#include <ctime>

#include "engine/base/ids.h"
#include "engine/http/parser.h"
#include "engine/loop/loop.h"

namespace flashclaim::auth {
namespace {

using http::Exchange;
using http::Problem;
using http::Request;

/// Wall clock: what signatures and tokens are dated by.
std::int64_t unix_now_s() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

/// 400 for what cannot be read in one way only, 401 for what can and is not right.
Problem problem_of(Fault fault) {
  switch (fault) {
    case Fault::kNone:
    case Fault::kTwice:
    case Fault::kLookAlike:
    case Fault::kTwoSchemes:
    case Fault::kUserId:
      return Problem::kInvalidRequest;
    case Fault::kOtherScheme:
    case Fault::kMalformed:
    case Fault::kStranger:
    case Fault::kToken:
    case Fault::kUnknownKey:
    case Fault::kAlgorithm:
    case Fault::kSignature:
    case Fault::kClock:
    case Fault::kExpired:
    case Fault::kNotYet:
    case Fault::kAudience:
    case Fault::kSubject:
      return Problem::kUnauthenticated;
  }
  return Problem::kInvalidRequest;
}

/// RFC 9110 wants a challenge with every 401; a client that sent a bearer token learns that it was the token (RFC
/// 6750).
std::string_view challenge(Scheme scheme, bool token_was_wrong) {
  switch (scheme) {
    case Scheme::kInsecureDev:
      return "WWW-Authenticate: X-User-Id\r\n";
    case Scheme::kGateway:
      return "WWW-Authenticate: X-Auth-Signature\r\n";
    case Scheme::kJwt:
      return token_was_wrong ? "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n" : "WWW-Authenticate: Bearer\r\n";
  }
  return {};
}

}  // namespace

AuthFilter::AuthFilter(const Setup& setup)
    : policy_(setup.policy), limits_(setup.limits), keys_(setup.keys), tokens_(policy_.audience) {}

void AuthFilter::bind(http::Server& server, Guarded& guarded, PageOf page_of) {
  server_ = &server;
  guarded_ = &guarded;
  page_of_ = page_of;
}

void AuthFilter::handle(const Request& request, Exchange exchange) noexcept {
  const std::int64_t now_us = limits_ ? loop::now_us() : 0;
  if (limits_ && !policy_.gateways.contains(*request.peer)) {
    if (const std::int64_t wait_ms = limits_->address_waits(*request.peer, now_us); wait_ms > 0) {
      counters_.address_limited.add();
      return tell_to_wait(request, exchange, "address", limits_->rates().address_per_second, wait_ms);
    }
  }
  const Known known = caller_of(request);
  if (known.fault != Fault::kNone) return refuse(request, exchange, known.fault);
  if (limits_ && known.caller.known()) {
    if (const std::int64_t wait_ms = limits_->user_waits(known.caller.user_id, now_us); wait_ms > 0) {
      counters_.user_limited.add();
      return tell_to_wait(request, exchange, "user", limits_->rates().user_per_second, wait_ms);
    }
  }
  guarded_->handle(request, known.caller, exchange);
}

bool AuthFilter::admits(const http::Peer& peer) noexcept {
  if (!limits_ || policy_.gateways.contains(peer) || limits_->connection_enters(peer)) return true;
  counters_.connections_refused.add();
  return false;
}

void AuthFilter::left(const http::Peer& peer) noexcept {
  if (limits_ && !policy_.gateways.contains(peer)) limits_->connection_left(peer);
}

AuthFilter::Known AuthFilter::caller_of(const Request& request) {
  const Credentials shown = credentials_of(request);
  if (shown.fault != Fault::kNone) return {shown.fault, {}};
  if (shown.present == 0) return {};
  switch (policy_.scheme) {
    case Scheme::kInsecureDev: {
      if (!(shown.present & Credentials::kUser)) return {Fault::kOtherScheme, {}};
      if (shown.present != Credentials::kUser) return {Fault::kTwoSchemes, {}};
      const auto user_id = parse_id(shown.user);
      if (!user_id) return {Fault::kUserId, {}};
      return {Fault::kNone, {shown.user, *user_id}};
    }
    case Scheme::kGateway:
      return caller_from_gateway(request, shown);
    case Scheme::kJwt:
      return caller_from_token(shown);
  }
  return {Fault::kTwoSchemes, {}};
}

AuthFilter::Known AuthFilter::caller_from_gateway(const Request& request, const Credentials& shown) {
  if (shown.present == Credentials::kAuthorization) return {Fault::kOtherScheme, {}};
  if (shown.present & Credentials::kAuthorization) return {Fault::kTwoSchemes, {}};
  if (!policy_.gateways.contains(*request.peer)) return {Fault::kStranger, {}};
  if (shown.present != (Credentials::kUser | Credentials::kGateway)) return {Fault::kMalformed, {}};
  const auto user_id = parse_id(shown.user);
  if (!user_id) return {Fault::kUserId, {}};
  return {check_gateway(keys_->gateway, request, shown, unix_now_s()), {shown.user, *user_id}};
}

AuthFilter::Known AuthFilter::caller_from_token(const Credentials& shown) {
  constexpr std::string_view kBearer = "bearer ";
  if (!(shown.present & Credentials::kAuthorization)) return {Fault::kOtherScheme, {}};
  if (shown.present != Credentials::kAuthorization) return {Fault::kTwoSchemes, {}};
  if (shown.authorization.size() <= kBearer.size() ||
      !http::equals_ignoring_case(shown.authorization.substr(0, kBearer.size()), kBearer))
    return {Fault::kOtherScheme, {}};
  const TokenUser user = tokens_.read(keys_->jwt, shown.authorization.substr(kBearer.size()), unix_now_s());
  return {user.fault, {user.user, user.user_id}};
}

void AuthFilter::answer(const Request& request, Exchange exchange, Problem problem, std::string headers) {
  http::Answer answer = http::problem_answer(problem);
  if (const auto page = page_of_ != nullptr ? page_of_(request, problem) : std::nullopt) {
    answer.content_type = page->content_type;
    answer.body = page->text;
    headers += page->headers;
  }
  answer.headers = headers;
  server_->answer(exchange, answer);
}

void AuthFilter::refuse(const Request& request, Exchange exchange, Fault fault) {
  counters_.refused[static_cast<std::size_t>(fault)].add();
  const Problem problem = problem_of(fault);
  const bool unknown = problem == Problem::kUnauthenticated;
  answer(request, exchange, problem,
         unknown ? std::string(challenge(policy_.scheme, fault != Fault::kOtherScheme)) : std::string());
}

void AuthFilter::refuse_unknown(Exchange exchange) {
  http::Answer answer = http::problem_answer(Problem::kUnauthenticated);
  answer.headers = challenge(policy_.scheme, false);
  server_->answer(exchange, answer);
}

/// The fields of draft-ietf-httpapi-ratelimit-headers, and Retry-After for the clients that know only that.
void AuthFilter::tell_to_wait(const Request& request, Exchange exchange, const char* whose, int per_second,
                              std::int64_t wait_ms) {
  const std::int64_t wait_s = (wait_ms + 999) / 1000;
  std::string headers =
      fmt::format("Retry-After: {0}\r\nRateLimit-Policy: \"{1}\";q={2};w=1\r\nRateLimit: \"{1}\";r=0;t={0}\r\n", wait_s,
                  whose, per_second);
  answer(request, exchange, Problem::kRateLimited, std::move(headers));
}

}  // namespace flashclaim::auth
