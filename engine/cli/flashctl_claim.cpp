// flashctl claim: the state of one claim.
#include <spdlog/fmt/fmt.h>

#include "engine/base/ids.h"
#include "engine/base/rfc3339.h"
#include "engine/cli/command.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/ledger.h"
#include "engine/redis/functions.h"

namespace flashclaim::cli {
namespace {

CommandResult claim_answer(const ClaimId& claim, std::int64_t user, std::string_view state, std::string_view reason,
                           Cell at) {
  Document document;
  document.add("claimId", Cell::text(claim.text()))
      .add("couponId", Cell::id(claim.coupon_id))
      .add("userId", Cell::id(user))
      .add("status", Cell::text(state))
      .add("reason", reason.empty() ? Cell::none() : Cell::text(reason))
      .add("decidedAt", std::move(at));
  return done("", document);
}

/// Redis first, then the database: a claim leaves the stream only when its outcome is in the database.
CommandResult show(Context& context, const Arguments& arguments) {
  const auto claim = parse_claim_id(arguments.words[0]);
  if (!claim) return usage("'" + arguments.words[0] + "' is no claim id: <coupon>-<epoch>-<ms>-<seq>-<index>");
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto view = redis::claim_view(**redis, *claim);
  if (!view) return context.failed(view.error());
  const auto known = postgres::from_sql(postgres::find_claim(**pg, *claim));
  if (!known) return context.failed(known.error());
  if (known->has_value()) {
    const auto& row = **known;
    return claim_answer(*claim, row.user_id, row.refusal ? "refused" : "settled",
                        row.refusal ? postgres::word(*row.refusal) : "", Cell::text(rfc3339(row.decided_at_ms)));
  }
  if (view->state == redis::ClaimState::kPending)
    return claim_answer(*claim, view->user_id, "pending", "", Cell::none());
  if (view->state == redis::ClaimState::kNotReady) {
    return {Exit::kRefused, "Redis lost its data or is being rebuilt, and the database has no outcome (yet)", {}};
  }
  return not_found("there is no claim " + claim->text());
}

}  // namespace

std::vector<Verb> claim_verbs() {
  return {{"claim", "show", "<claim>", "pending, settled or refused, and whose", false, {}, show}};
}

}  // namespace flashclaim::cli
