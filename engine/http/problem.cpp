// The table of codes with status and sentence. The sentences are for people; clients switch on `code`.
#include "engine/http/problem.h"

#include <array>

namespace flashclaim::http {
namespace {

/// A word on whether anything was applied, for problems after which a client asks just that.
enum class Applied { kNotSaid, kNo, kUnknown };

struct Description {
  std::string_view code;
  std::string_view title;
  std::string_view detail;
  Applied applied = Applied::kNotSaid;
  int retry_min_s = 0;  ///< 0: no Retry-After
  int retry_max_s = 0;
};

const Description& describe(Problem problem) {
  static constexpr std::array<Description, kProblemCount> kDescriptions = {{
      {"INVALID_REQUEST", "The request is malformed", "Correct it before sending it again.", Applied::kNo},
      {"UNAUTHENTICATED", "The user is not known", "Say once who claims, in the way that this service asks for.",
       Applied::kNo},
      {"NOT_FOUND", "There is no such resource", "See the API table for the paths.", Applied::kNo},
      {"COUPON_NOT_FOUND", "There is no such coupon", "Its id was never published here.", Applied::kNo},
      {"CLAIM_NOT_FOUND", "There is no such claim", "It never existed, is not yours, or its coupon was purged.",
       Applied::kNotSaid},
      {"METHOD_NOT_ALLOWED", "The resource does not have this method", "See the Allow header.", Applied::kNo},
      {"NOT_STARTED", "The sale has not begun", "Try again when it begins; see beginsAtMs of the coupon.",
       Applied::kNo},
      {"PAUSED", "The sale is paused", "It may go on; nothing was taken.", Applied::kNo},
      {"SOLD_OUT", "Nothing is left", "A later return or restock may change this.", Applied::kNo},
      {"LIMIT_REACHED", "The user has all that one user may have", "Another claim would be refused again.",
       Applied::kNo},
      {"ENDED", "The sale is over", "It will not open again.", Applied::kNo},
      {"PAYLOAD_TOO_LARGE", "The body is too large", "A claim needs no body; at most 4 KiB are read.", Applied::kNo},
      {"RATE_LIMITED", "Too many requests", "Wait as long as Retry-After says.", Applied::kNo, 1, 2},
      {"HEADERS_TOO_LARGE", "The headers are too large", "At most 8 KiB and 64 headers are read.", Applied::kNo},
      {"INTERNAL", "The server found a fault of its own", "It was logged; nothing was applied.", Applied::kNo},
      {"BUSY", "Too much is under way", "Nothing was applied: try again after Retry-After.", Applied::kNo, 1, 3},
      {"NOT_READY", "The service is starting or recovering", "Nothing was applied: try again after Retry-After.",
       Applied::kNo, 1, 5},
      {"OUTCOME_UNKNOWN", "The answer of the store was lost",
       "The claim may have been accepted: try again with the same Idempotency-Key to learn.", Applied::kUnknown, 1, 3},
  }};
  return kDescriptions[static_cast<std::size_t>(problem)];
}

std::string body_of(Problem problem) {
  const Description& about = describe(problem);
  std::string body = "{\"type\":\"about:blank\",\"title\":\"";
  body.append(about.title).append("\",\"status\":").append(std::to_string(static_cast<int>(problem_status(problem))));
  body.append(",\"code\":\"").append(about.code).append("\",\"detail\":\"").append(about.detail).append("\"");
  if (about.applied != Applied::kNotSaid)
    body.append(about.applied == Applied::kNo ? ",\"applied\":\"no\"" : ",\"applied\":\"unknown\"");
  return body + "}";
}

/// Jitter needs no quality, only that a crowd does not come back at once.
int between(int low, int high) {
  thread_local std::uint32_t state = 0x9e3779b9u ^ static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(&state));
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return low + static_cast<int>(state % static_cast<std::uint32_t>(high - low + 1));
}

}  // namespace

std::string_view problem_code(Problem problem) { return describe(problem).code; }

Status problem_status(Problem problem) {
  switch (problem) {
    case Problem::kInvalidRequest:
      return Status::kBadRequest;
    case Problem::kUnauthenticated:
      return Status::kUnauthorized;
    case Problem::kNotFound:
    case Problem::kCouponNotFound:
    case Problem::kClaimNotFound:
      return Status::kNotFound;
    case Problem::kMethodNotAllowed:
      return Status::kMethodNotAllowed;
    case Problem::kNotStarted:
    case Problem::kPaused:
    case Problem::kSoldOut:
    case Problem::kLimitReached:
      return Status::kConflict;
    case Problem::kEnded:
      return Status::kGone;
    case Problem::kPayloadTooLarge:
      return Status::kPayloadTooLarge;
    case Problem::kRateLimited:
      return Status::kTooManyRequests;
    case Problem::kHeadersTooLarge:
      return Status::kHeadersTooLarge;
    case Problem::kInternal:
      return Status::kInternal;
    case Problem::kBusy:
    case Problem::kNotReady:
    case Problem::kOutcomeUnknown:
      return Status::kUnavailable;
  }
  return Status::kInternal;
}

Answer problem_answer(Problem problem, std::string_view allow) {
  static const std::array<std::string, kProblemCount> kBodies = [] {
    std::array<std::string, kProblemCount> bodies;
    for (int i = 0; i < kProblemCount; ++i) bodies[static_cast<std::size_t>(i)] = body_of(static_cast<Problem>(i));
    return bodies;
  }();
  thread_local std::string headers;
  headers.clear();
  if (const Description& about = describe(problem); about.retry_max_s > 0)
    headers.append("Retry-After: ")
        .append(std::to_string(between(about.retry_min_s, about.retry_max_s)))
        .append("\r\n");
  if (!allow.empty()) headers.append("Allow: ").append(allow).append("\r\n");
  return {problem_status(problem), kProblemJson, headers, kBodies[static_cast<std::size_t>(problem)]};
}

}  // namespace flashclaim::http
