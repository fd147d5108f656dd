// Packs a batch into arrays for settle_claims; the rules are in sql/0014_settle_parts.sql.
#include "engine/postgres/settle.h"

#include "engine/postgres/query.h"

namespace flashclaim::postgres {
namespace {

constexpr Statement kSettle{"settle_claims",
                            "SELECT n, outcome, fresh FROM settle_claims($1::text::bigint[], $2::text::int[], "
                            "$3::text::bigint[], $4::text::bigint[], $5::text::int[], $6::text::bigint[], $7::text)"};

std::vector<Settled> read_outcomes(const pqxx::result& rows, std::size_t claims) {
  if (rows.size() != claims)
    throw std::logic_error("settle_claims answered another number of claims than it was asked");
  std::vector<Settled> outcomes(claims);
  for (const auto& row : rows) {
    auto outcome = parse_outcome(row[1].c_str());
    if (!outcome) throw std::logic_error("settle_claims answered a word that this build does not know");
    outcomes.at(row[0].as<std::size_t>() - 1) = {*outcome, row[2].as<bool>()};
  }
  return outcomes;
}

}  // namespace

std::string_view word(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSettled:
      return "settled";
    case Outcome::kReplayed:
      return "replayed";
    case Outcome::kOverLimit:
      return "over_limit";
    case Outcome::kOutOfStock:
      return "out_of_stock";
    case Outcome::kStaleEpoch:
      return "stale_epoch";
    case Outcome::kUnknownCoupon:
      return "unknown_coupon";
    case Outcome::kIdConflict:
      return "id_conflict";
    case Outcome::kRejected:
      return "rejected";
  }
  return "";
}

std::optional<Outcome> parse_outcome(std::string_view text) {
  for (Outcome outcome : {Outcome::kSettled, Outcome::kReplayed, Outcome::kOverLimit, Outcome::kOutOfStock,
                          Outcome::kStaleEpoch, Outcome::kUnknownCoupon, Outcome::kIdConflict, Outcome::kRejected})
    if (word(outcome) == text) return outcome;
  return std::nullopt;
}

SqlResult<std::vector<Settled>> settle_claims(Session& session, std::span<const SettleClaim> claims, SettleMode mode) {
  if (claims.empty()) return std::vector<Settled>{};
  return run(session, kSettle,
             {array_param(claims, [](const SettleClaim& c) { return c.coupon_id; }),
              array_param(claims, [](const SettleClaim& c) { return c.epoch; }),
              array_param(claims, [](const SettleClaim& c) { return c.entry.ms; }),
              array_param(claims, [](const SettleClaim& c) { return c.entry.seq; }),
              array_param(claims, [](const SettleClaim& c) { return c.index; }),
              array_param(claims, [](const SettleClaim& c) { return c.user_id; }),
              mode == SettleMode::kReject ? "reject" : "settle"},
             [&](const pqxx::result& rows) { return read_outcomes(rows, claims.size()); });
}

}  // namespace flashclaim::postgres
