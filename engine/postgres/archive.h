// What the engine asks when Redis has forgotten: outcomes by claim id, and what a user holds (sql/0011). Reads only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/postgres/session.h"
#include "engine/postgres/settle.h"

namespace flashclaim::postgres {

/// False for a standby: what it does not know yet may stand in the primary.
SqlResult<bool> is_primary(Session& session);

struct ArchivedClaim {
  std::int64_t user_id = 0;
  std::optional<Outcome> refusal;  ///< nullopt: settled
};
/// result[i] belongs to ids[i]; nullopt: no outcome (yet). One round trip, a few hundred ids at most.
SqlResult<std::vector<std::optional<ArchivedClaim>>> archived_claims(Session& session, std::span<const ClaimId> ids);

/// A place in what a user holds, in its order: the highest coupon id first, of one coupon the latest claim first.
struct HeldPlace {
  std::int64_t coupon_id = INT64_MAX;
  std::int64_t ordinal = INT32_MAX;
};
struct HeldCoupon {
  std::string name;
  ClaimId claim;
  std::int64_t claimed_at_ms = 0;
  std::int64_t settled_at_ms = 0;
};
struct HeldPage {
  std::vector<HeldCoupon> coupons;
  std::optional<HeldPlace> next;  ///< nullopt: this is all
};
/// What stands behind `after`, at most `limit`; fewer, or none, with a `next` when `look` coupons (2 or more) were
/// looked at: a page costs no more than that. What settles meanwhile before `after` is not of this walk.
SqlResult<HeldPage> archived_coupons(Session& session, std::int64_t user_id, const HeldPlace& after, int limit,
                                     int look = 1000);

}  // namespace flashclaim::postgres
