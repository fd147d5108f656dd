// Lookups for what Redis has forgotten: outcomes by claim id, and what a user holds (sql/0011). Reads only.
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

/// False for a standby: it may lack rows that the primary has.
SqlResult<bool> is_primary(Session& session);

struct ArchivedClaim {
  std::int64_t user_id = 0;
  std::optional<Outcome> refusal;  ///< nullopt: settled
};
/// result[i] belongs to ids[i]; nullopt: no outcome (yet). One round trip, a few hundred ids at most.
SqlResult<std::vector<std::optional<ArchivedClaim>>> archived_claims(Session& session, std::span<const ClaimId> ids);

/// A place in the list of what a user holds. Order: highest coupon id first, within a coupon the latest claim first.
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
/// What comes after `after`, at most `limit`. Looks at no more than `look` coupons (2 or more), which bounds the cost:
/// a page may have fewer than `limit` items, or none, and a `next`. A claim that settles meanwhile before `after` does
/// not appear in this walk.
SqlResult<HeldPage> archived_coupons(Session& session, std::int64_t user_id, const HeldPlace& after, int limit,
                                     int look = 1000);

}  // namespace flashclaim::postgres
