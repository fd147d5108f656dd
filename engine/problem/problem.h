// Every refusal that a client can be given, one row each: what Lua calls it, what HTTP says, what it means. Parsing of
// Redis' verdicts, the problem documents, the labels of the metrics and flashbench's judgement all come from here.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace flashclaim {

enum class Problem {
  kInvalidRequest,
  kUnauthenticated,
  kNotFound,
  kCouponNotFound,
  kClaimNotFound,
  kMethodNotAllowed,
  kNotStarted,
  kPaused,
  kSoldOut,
  kLimitReached,
  kEnded,
  kPayloadTooLarge,
  kRateLimited,
  kHeadersTooLarge,
  kInternal,
  kBusy,
  kNotReady,
  kOutcomeUnknown,
};
inline constexpr int kProblemCount = static_cast<int>(Problem::kOutcomeUnknown) + 1;

/// Why it is refused, and so what a client does.
enum class Cause {
  kRule,    ///< the coupon's rules: Redis judged the claim, so nothing stands under its key. 409, or 410: for good
  kMoment,  ///< the same may succeed in a moment: wait for Retry-After, send it again
  kCaller,  ///< the request, its path or its caller is wrong: the same is refused again
  kServer,  ///< a fault of ours: report it
};

/// Whether the request was carried out, for problems after which a client asks just that: the body's `applied`.
enum class Applied { kNotSaid, kNo, kUnknown };

struct ProblemRow {
  Problem problem;
  std::string_view code;  ///< the body's `code`: what clients switch on
  int status;             ///< of HTTP
  Cause cause;
  std::string_view verdict;  ///< the word of lua/20_claim.lua; empty: the library never says it of a claim
  std::string_view title;    ///< this and `detail` are sentences for people
  std::string_view detail;
  Applied applied = Applied::kNo;
  int retry_min_s = 0;  ///< Retry-After is a random number from here to there; 0: there is none
  int retry_max_s = 0;
};

// clang-format off
/// In the order of the enum. tests/unit/problem_table.cpp holds the Lua library, openapi.yaml and retry.md to it.
inline constexpr std::array<ProblemRow, kProblemCount> kProblems = {{
    {Problem::kInvalidRequest, "INVALID_REQUEST", 400, Cause::kCaller, "",
     "The request is malformed", "Correct it before sending it again."},
    {Problem::kUnauthenticated, "UNAUTHENTICATED", 401, Cause::kCaller, "",
     "The user is not known", "Say once who claims, in the way that this service asks for."},
    {Problem::kNotFound, "NOT_FOUND", 404, Cause::kCaller, "",
     "There is no such resource", "See the API table for the paths."},
    {Problem::kCouponNotFound, "COUPON_NOT_FOUND", 404, Cause::kCaller, "NO_COUPON",
     "There is no such coupon", "Its id was never published here."},
    {Problem::kClaimNotFound, "CLAIM_NOT_FOUND", 404, Cause::kCaller, "",
     "There is no such claim", "It never existed, is not yours, or its coupon was purged.", Applied::kNotSaid},
    {Problem::kMethodNotAllowed, "METHOD_NOT_ALLOWED", 405, Cause::kCaller, "",
     "The resource does not have this method", "See the Allow header."},
    {Problem::kNotStarted, "NOT_STARTED", 409, Cause::kRule, "NOT_STARTED",
     "The sale has not begun", "Try again when it begins; see beginsAtMs of the coupon."},
    {Problem::kPaused, "PAUSED", 409, Cause::kRule, "PAUSED",
     "The sale is paused", "It may go on; nothing was taken."},
    {Problem::kSoldOut, "SOLD_OUT", 409, Cause::kRule, "SOLD_OUT",
     "Nothing is left", "A later return or restock may change this."},
    {Problem::kLimitReached, "LIMIT_REACHED", 409, Cause::kRule, "LIMIT_REACHED",
     "The user has all that one user may have", "Another claim would be refused again."},
    {Problem::kEnded, "ENDED", 410, Cause::kRule, "ENDED",
     "The sale is over", "It will not open again."},
    {Problem::kPayloadTooLarge, "PAYLOAD_TOO_LARGE", 413, Cause::kCaller, "",
     "The body is too large", "A claim needs no body; at most 4 KiB are read."},
    {Problem::kRateLimited, "RATE_LIMITED", 429, Cause::kMoment, "",
     "Too many requests", "Wait as long as Retry-After says.", Applied::kNo, 1, 2},
    {Problem::kHeadersTooLarge, "HEADERS_TOO_LARGE", 431, Cause::kCaller, "",
     "The headers are too large", "At most 8 KiB and 64 headers are read."},
    {Problem::kInternal, "INTERNAL", 500, Cause::kServer, "",
     "The server found a fault of its own", "It was logged; nothing was applied."},
    {Problem::kBusy, "BUSY", 503, Cause::kMoment, "BUSY",
     "Too much is under way", "Nothing was applied: try again after Retry-After.", Applied::kNo, 1, 3},
    {Problem::kNotReady, "NOT_READY", 503, Cause::kMoment, "NOT_READY",
     "The service is starting or recovering", "Nothing was applied: try again after Retry-After.", Applied::kNo, 1, 5},
    {Problem::kOutcomeUnknown, "OUTCOME_UNKNOWN", 503, Cause::kMoment, "",
     "The answer of the store was lost",
     "The claim may have been accepted: try again with the same Idempotency-Key to learn.", Applied::kUnknown, 1, 3},
}};
// clang-format on

constexpr const ProblemRow& row_of(Problem problem) { return kProblems[static_cast<std::size_t>(problem)]; }

/// The refusal that Lua calls so; nullopt: it is no word for one.
constexpr std::optional<Problem> refusal_of(std::string_view verdict) {
  for (const ProblemRow& row : kProblems)
    if (!verdict.empty() && row.verdict == verdict) return row.problem;
  return std::nullopt;
}

namespace problem_table {
constexpr bool in_order() {
  for (std::size_t i = 0; i < kProblems.size(); ++i)
    if (static_cast<std::size_t>(kProblems[i].problem) != i || kProblems[i].code.empty()) return false;
  return true;
}
/// Clients that do not know a code rely on it: 409 and 410 are a judgement, and nothing was taken.
constexpr bool rules_have_their_status() {
  for (const ProblemRow& row : kProblems) {
    const bool judged = row.status == 409 || row.status == 410;
    if (judged != (row.cause == Cause::kRule)) return false;
    if (judged && (row.verdict.empty() || row.applied != Applied::kNo)) return false;
  }
  return true;
}
constexpr bool moments_say_when() {
  for (const ProblemRow& row : kProblems)
    if ((row.cause == Cause::kMoment) != (row.retry_min_s > 0) || row.retry_min_s > row.retry_max_s) return false;
  return true;
}
static_assert(in_order(), "a row is missing, or not at its place in the enum");
static_assert(rules_have_their_status(), "a rule's refusal has 409 or 410, a verdict's word, and took nothing");
static_assert(moments_say_when(), "what passes has a Retry-After, and nothing else");
}  // namespace problem_table

}  // namespace flashclaim
