// flashctl coupon: show and list.
#include <spdlog/fmt/fmt.h>

#include "engine/base/rfc3339.h"
#include "engine/base/try.h"
#include "engine/cli/flashctl_coupon.h"
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"
#include "engine/postgres/coupons.h"
#include "engine/redis/functions.h"

namespace flashclaim::cli {
namespace {

constexpr int kEventsShown = 20;

void add_row(Document& document, const postgres::CouponState& state) {
  document.add("couponId", Cell::id(state.id))
      .add("name", Cell::text(state.name))
      .add("status", Cell::text(postgres::word(state.status)))
      .add("beginsAt", Cell::text(rfc3339(state.begin_ms)))
      .add("beginsAtMs", Cell::number(state.begin_ms))
      .add("endsAt", Cell::text(rfc3339(state.end_ms)))
      .add("endsAtMs", Cell::number(state.end_ms))
      .add("total", Cell::number(state.target_total))
      .add("settled", Cell::number(state.issue_num))
      .add("userLimit", Cell::number(state.user_limit))
      .add("maxInflight", Cell::number(state.max_inflight))
      .add("epoch", Cell::number(state.epoch))
      .add("version", Cell::number(state.version));
  if (state.total_num != state.target_total) document.add("totalBeforeCut", Cell::number(state.total_num));
}

Result<void> add_redis(Document& document, redis::Client& redis, std::int64_t id) {
  redis::CouponView view;
  const auto seen = TRY(redis::coupon_view(redis, id, 0, view));
  if (seen != redis::ViewState::kFound) {
    document.add("redis", Cell::text(seen == redis::ViewState::kNoCoupon ? "does not hold it" : "not ready: rebuild"));
    return {};
  }
  const auto counters = TRY(redis::reconcile_counters(redis, id));
  const auto dead = TRY(operations::dead_count(redis, id));
  document.add("redis", Cell::text(view.status)).add("left", Cell::number(view.left));
  if (!counters.has_value()) return {};
  document.add("inFlight", Cell::number(counters->inflight))
      .add("deadEntries", Cell::number(dead))
      .add("suspect", Cell::number(counters->suspect))
      .add("redisVersion", Cell::number(counters->version));
  return {};
}

}  // namespace

CommandResult show_coupon(Context& context, const Arguments& arguments) {
  const IdArgument id = id_argument(arguments);
  if (id.wrong) return *id.wrong;
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto state = postgres::from_sql(postgres::coupon_state(**pg, id.id));
  if (!state) return context.failed(state.error());
  if (!state->has_value()) return not_found(fmt::format("there is no coupon {}", id.id));
  Document document;
  add_row(document, **state);
  const auto seen = add_redis(document, **redis, id.id);
  if (!seen) return context.failed(seen.error());
  const auto events = postgres::from_sql(postgres::coupon_events(**pg, id.id, kEventsShown));
  if (!events) return context.failed(events.error());
  Table log{{"at", "operation", "by", "version", "status", "total"}, {}};
  for (const postgres::CouponEvent& event : *events) {
    log.rows.push_back({Cell::text(rfc3339(event.at_ms)), Cell::text(event.operation), Cell::text(event.actor),
                        Cell::number(event.version), Cell::text(postgres::word(event.state.status)),
                        Cell::number(event.state.target_total)});
  }
  return done("", document.add("events", log));
}

CommandResult list_coupons_verb(Context& context, const Arguments& arguments) {
  std::optional<postgres::CouponStatus> status;
  if (const auto text = arguments.text("status")) {
    status = postgres::parse_coupon_status(*text);
    if (!status) return usage("--status is draft, issuing, paused or ended, not '" + *text + "'");
  }
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  Table table{{"couponId", "name", "status", "total", "settled", "userLimit", "beginsAt", "endsAt"}, {}};
  const auto listed = postgres::each_coupon_page(
      **pg,
      [&](const auto& page, std::int64_t) -> Result<bool> {
        for (const postgres::CouponState& state : page) {
          table.rows.push_back({Cell::id(state.id), Cell::text(state.name), Cell::text(postgres::word(state.status)),
                                Cell::number(state.target_total), Cell::number(state.issue_num),
                                Cell::number(state.user_limit), Cell::text(rfc3339(state.begin_ms)),
                                Cell::text(rfc3339(state.end_ms))});
        }
        return true;
      },
      status);
  if (!listed) return context.failed(listed.error());
  Document document;
  return done("", document.add("coupons", table));
}

}  // namespace flashclaim::cli
