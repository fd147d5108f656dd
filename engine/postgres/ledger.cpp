// Queries and the reading of their rows; the formulas are in sql/0006_reconcile.sql.
#include "engine/postgres/ledger.h"

#include "engine/base/try.h"
#include "engine/postgres/query.h"

namespace flashclaim::postgres {
namespace {

constexpr Statement kReconcileRows{
    "reconcile_rows",
    "SELECT rows, epoch, version, target_total, highest_ms, highest_seq FROM reconcile_rows("
    "$1::bigint, $2::int, $3::bigint, $4::bigint, $5::text::bigint[], $6::text::bigint[])"};
constexpr Statement kReconcileUserRows{
    "reconcile_user_rows",
    "SELECT n, rows FROM reconcile_user_rows($1::bigint, $2::int, $3::bigint, $4::bigint, $5::text::bigint[], "
    "$6::text::bigint[], $7::text::bigint[])"};
constexpr Statement kHighestEntry{"highest_entry", "SELECT ms, seq FROM highest_entry($1::bigint, $2::int)"};
constexpr Statement kReconciler{"become_reconciler", "SELECT pg_try_advisory_lock(7378697629483820647)"};
constexpr Statement kUserCounts{"user_counts",
                                "SELECT user_id, count(*) FROM user_coupon WHERE coupon_id = $1::bigint AND "
                                "user_id > $2::bigint GROUP BY user_id ORDER BY user_id LIMIT $3::int"};
constexpr Statement kRefusedClaims{
    "refused_claims",
    "SELECT epoch, entry_ms, entry_seq, entry_index, user_id FROM claim_rejection WHERE coupon_id = $1::bigint AND "
    "(epoch, entry_ms, entry_seq, entry_index) > ($2::int, $3::bigint, $4::bigint, $5::int) ORDER BY epoch, entry_ms, "
    "entry_seq, entry_index LIMIT $6::int"};
constexpr Statement kCouponCounts{
    "coupon_counts",
    "SELECT rows, issue_num, total_num, users, max_per_user, over_limit_users, rejections, doubled "
    "FROM coupon_counts($1::bigint)"};

#define CLAIM_COLUMNS                                                                    \
  "o.coupon_id, o.epoch, o.entry_ms, o.entry_seq, o.entry_index, o.user_id, o.refusal, " \
  "(extract(epoch FROM o.decided_at) * 1000)::bigint"
constexpr Statement kFindClaims{
    "find_claims",
    "SELECT " CLAIM_COLUMNS
    ", c.n FROM unnest($1::text::bigint[], $2::text::int[], $3::text::bigint[], "
    "$4::text::bigint[], $5::text::int[]) WITH ORDINALITY AS c(coupon, epoch, ms, seq, idx, n) CROSS JOIN "
    "LATERAL (SELECT * FROM claim_outcome o WHERE (o.coupon_id, o.epoch, o.entry_ms, o.entry_seq, "
    "o.entry_index) = (c.coupon, c.epoch, c.ms, c.seq, c.idx) LIMIT 1) o"};
constexpr Statement kListClaims{
    "list_claims",
    "SELECT " CLAIM_COLUMNS
    " FROM claim_outcome o WHERE o.coupon_id = $1::bigint AND (o.epoch, o.entry_ms, "
    "o.entry_seq, o.entry_index) > ($2::int, $3::bigint, $4::bigint, $5::int) ORDER BY o.epoch, o.entry_ms, "
    "o.entry_seq, o.entry_index LIMIT $6::int"};
#undef CLAIM_COLUMNS
constexpr int kClaimColumns = 8;

EntryId read_entry(const pqxx::row& row, int column) {
  return {row[column].as<std::int64_t>(), row[column + 1].as<std::int64_t>()};
}

KnownClaim read_claim(const pqxx::row& row) {
  KnownClaim claim;
  claim.id = {row[0].as<std::int64_t>(), row[1].as<std::int64_t>(), read_entry(row, 2), row[4].as<int>()};
  claim.user_id = row[5].as<std::int64_t>();
  if (!row[6].is_null()) claim.refusal = parse_outcome(row[6].c_str());
  claim.decided_at_ms = row[7].as<std::int64_t>();
  return claim;
}

std::vector<Param> cut_params(std::int64_t coupon_id, const StreamCut& cut) {
  return {param(coupon_id),
          param(cut.epoch),
          param(cut.last.ms),
          param(cut.last.seq),
          array_param(cut.flying, [](const EntryId& e) { return e.ms; }),
          array_param(cut.flying, [](const EntryId& e) { return e.seq; })};
}

}  // namespace

SqlResult<std::optional<ReconcileRows>> reconcile_rows(Session& session, std::int64_t coupon_id, const StreamCut& cut) {
  return run(session, kReconcileRows, cut_params(coupon_id, cut), [](const pqxx::result& rows) {
    if (rows.empty()) return std::optional<ReconcileRows>();
    const pqxx::row row = rows[0];
    ReconcileRows answer{row[0].as<std::int64_t>(), row[1].as<std::int64_t>(), row[2].as<std::int64_t>(),
                         row[3].as<std::int64_t>(), std::nullopt};
    if (!row[4].is_null()) answer.highest = read_entry(row, 4);
    return std::optional(answer);
  });
}

SqlResult<std::vector<std::int64_t>> reconcile_user_rows(Session& session, std::int64_t coupon_id, const StreamCut& cut,
                                                         std::span<const std::int64_t> users) {
  auto params = cut_params(coupon_id, cut);
  params.push_back(array_param(users, [](std::int64_t user) { return user; }));
  return run(session, kReconcileUserRows, params, [&](const pqxx::result& rows) {
    std::vector<std::int64_t> counts(users.size());
    for (const auto& row : rows) counts.at(row[0].as<std::size_t>() - 1) = row[1].as<std::int64_t>();
    return counts;
  });
}

SqlResult<std::optional<EntryId>> highest_entry(Session& session, std::int64_t coupon_id, std::int64_t epoch) {
  return run(session, kHighestEntry, {param(coupon_id), param(epoch)}, [](const pqxx::result& rows) {
    return rows.empty() ? std::nullopt : std::optional(read_entry(rows[0], 0));
  });
}

SqlResult<bool> become_reconciler(Session& session) {
  return run(session, kReconciler, {}, [](const pqxx::result& rows) { return rows[0][0].as<bool>(); });
}

SqlResult<std::vector<UserCount>> user_counts(Session& session, std::int64_t coupon_id, std::int64_t after_user,
                                              int limit) {
  return run(session, kUserCounts, {param(coupon_id), param(after_user), param(limit)}, [](const pqxx::result& rows) {
    std::vector<UserCount> counts;
    for (const auto& row : rows) counts.push_back({row[0].as<std::int64_t>(), row[1].as<std::int64_t>()});
    return counts;
  });
}

SqlResult<std::vector<RefusedClaim>> refused_claims(Session& session, const ClaimId& after, int limit) {
  return run(session, kRefusedClaims,
             {param(after.coupon_id), param(after.epoch), param(after.entry.ms), param(after.entry.seq),
              param(after.index), param(limit)},
             [&](const pqxx::result& rows) {
               std::vector<RefusedClaim> claims;
               for (const auto& row : rows) {
                 const ClaimId id{after.coupon_id, row[0].as<std::int64_t>(), read_entry(row, 1), row[3].as<int>()};
                 claims.push_back({id, row[4].as<std::int64_t>()});
               }
               return claims;
             });
}

SqlResult<std::optional<CouponCounts>> coupon_counts(Session& session, std::int64_t coupon_id) {
  return run(session, kCouponCounts, {param(coupon_id)}, [](const pqxx::result& rows) {
    if (rows.empty()) return std::optional<CouponCounts>();
    auto number = [row = rows[0]](int column) { return row[column].as<std::int64_t>(); };
    return std::optional(
        CouponCounts{number(0), number(1), number(2), number(3), number(4), number(5), number(6), number(7)});
  });
}

SqlResult<std::vector<std::optional<KnownClaim>>> find_claims(Session& session, std::span<const ClaimId> ids) {
  return run(session, kFindClaims, claim_id_params(ids), [&](const pqxx::result& rows) {
    std::vector<std::optional<KnownClaim>> found(ids.size());
    for (const auto& row : rows) found.at(row[kClaimColumns].as<std::size_t>() - 1) = read_claim(row);
    return found;
  });
}

SqlResult<std::optional<KnownClaim>> find_claim(Session& session, const ClaimId& id) {
  auto found = TRY(find_claims(session, std::span(&id, 1)));
  return found.front();
}

SqlResult<std::vector<KnownClaim>> list_claims(Session& session, const ClaimId& after, int limit) {
  return run(session, kListClaims,
             {param(after.coupon_id), param(after.epoch), param(after.entry.ms), param(after.entry.seq),
              param(after.index), param(limit)},
             [](const pqxx::result& rows) {
               std::vector<KnownClaim> claims;
               for (const auto& row : rows) claims.push_back(read_claim(row));
               return claims;
             });
}

}  // namespace flashclaim::postgres
