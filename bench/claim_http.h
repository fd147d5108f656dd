// The claim API as a client sees it: the bytes of a claim request, and what its answer means.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/http_client.h"
#include "engine/base/ids.h"
#include "engine/http/problem.h"

namespace flashclaim::bench {

/// Appends `POST /coupons/{coupon_id}/receive` of that user; `host` is the header's value, `key` that of
/// Idempotency-Key (empty: none).
void append_claim_request(std::string& out, std::string_view host, std::int64_t coupon_id, std::int64_t user_id,
                          std::string_view key = {});

/// What one attempt came to.
enum class Attempt {
  kAccepted,    ///< 202 with a claim id of that coupon
  kRefused,     ///< a problem of the closed set, with its own status: nothing was applied
  kUnknown,     ///< 503 OUTCOME_UNKNOWN, or no answer at all: it may have been applied
  kNotSent,     ///< it never left: nothing was applied
  kUnexpected,  ///< an answer that the API does not have
};

struct ClaimAnswer {
  Attempt attempt = Attempt::kUnexpected;
  std::optional<http::Problem> problem;  ///< for kRefused, and OUTCOME_UNKNOWN
  ClaimId claim;                         ///< for kAccepted
};
ClaimAnswer read_claim_answer(const Response& response, std::int64_t coupon_id);

/// Whether the refusal passes by itself: the same claim may be sent again after a back-off.
bool is_passing(http::Problem problem);

/// Counts of ended attempts. Adding up: attempts() = answers + those without.
struct Tally {
  std::int64_t accepted = 0;
  std::array<std::int64_t, http::kProblemCount> refused{};  ///< by problem, OUTCOME_UNKNOWN never among them
  std::int64_t outcome_unknown = 0;                         ///< 503 OUTCOME_UNKNOWN
  std::int64_t unanswered = 0;                              ///< sent, and no answer
  std::int64_t not_sent = 0;
  std::int64_t unexpected = 0;
  std::int64_t without_retry_after = 0;  ///< 429 and 503 that do not say when to come back; counted above too
  std::string unexpected_example;        ///< the first one: status and the body's beginning
  std::string unanswered_reason;         ///< the first one

  void count(const ClaimAnswer& answer, const Response& response);
  void merge(const Tally& other);
  [[nodiscard]] std::int64_t refused_total() const;
  [[nodiscard]] std::int64_t attempts() const;
  /// Why these answers say nothing of a sale: claims that were refused as requests (COUPON_NOT_FOUND, UNAUTHENTICATED
  /// ...), or none that was accepted or refused by the coupon's own rules. Empty: they do.
  [[nodiscard]] std::string complaint() const;
  [[nodiscard]] std::int64_t of(http::Problem problem) const { return refused[static_cast<std::size_t>(problem)]; }
};

}  // namespace flashclaim::bench
