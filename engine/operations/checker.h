// The invariant checker: INV-1 to INV-5 over Redis, RabbitMQ and PostgreSQL; one piece of code for tests, replay and
// `flashctl check`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/operations/reconcile.h"

namespace flashclaim::amqp {
class Connection;
}

namespace flashclaim::operations {

/// A 202 that a client has read.
struct Acknowledged {
  ClaimId claim;
  std::int64_t user_id = 0;
};

/// A refusal that a client has read: for INV-5.
struct ReportedRefusal {
  enum class Kind { kSoldOut, kLimitReached };
  std::int64_t coupon_id = 0;
  std::int64_t user_id = 0;
  Kind kind = Kind::kSoldOut;
  /// The total (for kLimitReached the user limit) that Redis had from 100 ms before the request until its answer, where
  /// the client knows it because any restock was done before. 0: judge by the lowest value that there ever was.
  std::int64_t in_force = 0;
};

struct CheckOptions {
  bool at_rest = true;  ///< nothing is being claimed or settled: INV-4, and INV-3 and INV-5 to the end
  std::vector<Acknowledged> acknowledged;
  std::vector<ReportedRefusal> told;
  /// Redis' data was destroyed on purpose: acknowledged claims that are nowhere are counted as `lost`, not violations
  /// (and INV-5, which reasons from their number, is not judged).
  bool lost_allowed = false;
  Progress progress;  ///< coupons judged; may be empty
};

struct Violation {
  int invariant = 0;           ///< 1..5
  std::int64_t coupon_id = 0;  ///< 0: not about one coupon (the queues)
  std::int64_t count = 1;      ///< claims, users or units concerned
  std::string text;            ///< what is wrong, with an example
};

struct CheckReport {
  std::vector<Violation> violations;
  std::int64_t coupons = 0;
  std::int64_t settled = 0;
  std::int64_t refused = 0;    ///< recorded refusals
  std::int64_t in_flight = 0;  ///< claims in streams, dead ones too
  std::int64_t dead = 0;       ///< claims in dead entries
  std::int64_t left = 0;       ///< stock over all coupons
  std::int64_t acknowledged = 0;
  std::int64_t pending = 0;  ///< acknowledged and still in flight
  std::int64_t lost = 0;     ///< acknowledged and nowhere
  std::int64_t untold = 0;   ///< rows whose 202 no client read (an answer lost on the way): not a violation.
                             ///< Counted only when `acknowledged` is not empty.
  /// Claims that the database settled although Redis did not know their entry: Redis lost it, or a message was forged.
  /// They break no invariant, but a person must look (ACCESS.md). A rebuild clears the count.
  std::int64_t unaccepted = 0;
  [[nodiscard]] bool holds() const { return violations.empty(); }
  [[nodiscard]] bool violates(int invariant) const;
};

/// Judges the given coupons. `amqp` may be null (then the queues are not checked). The connections belong to the
/// calling thread. 100,000 claims take well under a second of each service.
Result<CheckReport> check(redis::Client& redis, postgres::Session& pg, amqp::Connection* amqp,
                          std::span<const std::int64_t> coupon_ids, const CheckOptions& options);

}  // namespace flashclaim::operations
