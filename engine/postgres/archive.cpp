// Sends the lookups as prepared statements and reads their rows into structs.
#include "engine/postgres/archive.h"

#include "engine/postgres/query.h"

namespace flashclaim::postgres {
namespace {

constexpr Statement kIsPrimary{"is_primary", "SELECT NOT pg_is_in_recovery()"};
constexpr Statement kClaims{"archived_claims",
                            "SELECT n, usr, refusal FROM archived_claims($1::text::bigint[], $2::text::bigint[], "
                            "$3::text::bigint[], $4::text::bigint[], $5::text::bigint[])"};
constexpr Statement kCoupons{"archived_coupons",
                             "SELECT coupon, ordinal, name, epoch, ms, seq, idx, claimed_ms, settled_ms FROM "
                             "archived_coupons($1::bigint, $2::bigint, $3::bigint, $4::int, $5::int)"};

HeldCoupon read_coupon(const pqxx::row& row) {
  HeldCoupon held;
  held.name = row[2].c_str();
  held.claim = {row[0].as<std::int64_t>(),
                row[3].as<std::int64_t>(),
                {row[4].as<std::int64_t>(), row[5].as<std::int64_t>()},
                row[6].as<int>()};
  held.claimed_at_ms = row[7].as<std::int64_t>();
  held.settled_at_ms = row[8].as<std::int64_t>();
  return held;
}

/// One row more than `limit` means that there is another page. Ordinal 0: the coupons after this one were not looked
/// at.
HeldPage read_page(const pqxx::result& rows, std::size_t limit) {
  HeldPage page;
  HeldPlace last;
  std::optional<HeldPlace> unseen;
  bool more = false;
  for (const auto& row : rows) {
    const HeldPlace place{row[0].as<std::int64_t>(), row[1].as<std::int64_t>()};
    if (place.ordinal == 0) {
      unseen = HeldPlace{place.coupon_id, 1};
    } else if (page.coupons.size() == limit) {
      more = true;
    } else {
      page.coupons.push_back(read_coupon(row));
      last = place;
    }
  }
  page.next = more ? std::optional(last) : unseen;
  return page;
}

}  // namespace

SqlResult<bool> is_primary(Session& session) {
  return run(session, kIsPrimary, {}, [](const pqxx::result& rows) { return rows[0][0].as<bool>(); });
}

SqlResult<std::vector<std::optional<ArchivedClaim>>> archived_claims(Session& session, std::span<const ClaimId> ids) {
  return run(session, kClaims, claim_id_params(ids), [&](const pqxx::result& rows) {
    std::vector<std::optional<ArchivedClaim>> found(ids.size());
    for (const auto& row : rows) {
      ArchivedClaim& claim = found.at(row[0].as<std::size_t>() - 1).emplace();
      claim.user_id = row[1].as<std::int64_t>();
      if (!row[2].is_null()) claim.refusal = parse_outcome(row[2].c_str());
    }
    return found;
  });
}

SqlResult<HeldPage> archived_coupons(Session& session, std::int64_t user_id, const HeldPlace& after, int limit,
                                     int look) {
  return run(session, kCoupons,
             {param(user_id), param(after.coupon_id), param(after.ordinal), param(limit + 1), param(look)},
             [limit](const pqxx::result& rows) { return read_page(rows, static_cast<std::size_t>(limit)); });
}

}  // namespace flashclaim::postgres
