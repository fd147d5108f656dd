// flashctl coupon: create, publish, pause, resume, end, purge, and the list of its verbs.
#include "engine/cli/flashctl_coupon.h"

#include <spdlog/fmt/fmt.h>

#include "engine/base/ids.h"
#include "engine/base/rfc3339.h"
#include "engine/base/try.h"
#include "engine/cli/command.h"
#include "engine/cli/coupon_values.h"
#include "engine/cli/times.h"
#include "engine/operations/operations.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/coupons.h"

namespace flashclaim::cli {
namespace {

using OperationCall = Result<operations::Operated> (*)(redis::Client&, postgres::Session&, std::int64_t);
/// An operation that cannot be undone: it shows the coupon, asks, and runs on the version that it showed.
using FinalCall = Result<operations::Operated> (*)(redis::Client&, postgres::Session&, std::int64_t,
                                                   operations::SeenVersion);

}  // namespace

CommandResult answer_of(const operations::Operated& operated) {
  Document document;
  switch (operated.effect) {
    case operations::Effect::kDone:
    case operations::Effect::kAlready:
      document.add_json("changed", Cell::flag(operated.effect == operations::Effect::kDone));
      return done(operated.message, document);
    case operations::Effect::kNotFound:
      return not_found(operated.message);
    case operations::Effect::kRefused:
      return refused(operated.message);
    case operations::Effect::kUnfinished:
    case operations::Effect::kOvertaken:
      return refused(operated.message, document.add_json("changed", Cell::flag(true)));
  }
  return refused(operated.message);
}

namespace {

/// The coupon's row, for a dry run; nullopt, and the result to return, when there is none.
struct Row {
  std::optional<postgres::CouponState> state;
  std::optional<CommandResult> wrong;
};
Row row_of(Context& context, std::int64_t id) {
  const auto pg = context.pg();
  if (!pg) return {std::nullopt, context.failed(pg.error())};
  const auto state = postgres::from_sql(postgres::coupon_state(**pg, id));
  if (!state) return {std::nullopt, context.failed(state.error())};
  if (!state->has_value()) return {std::nullopt, not_found(fmt::format("there is no coupon {}", id))};
  return {**state, std::nullopt};
}

CommandResult planned(const Row& row, std::string_view what) {
  if (row.wrong) return *row.wrong;
  return done(fmt::format("would {} coupon {} '{}', which is {} (nothing was changed)", what, row.state->id,
                          Cell::text(row.state->name).plain(), postgres::word(row.state->status)));
}

CommandResult operate(Context& context, const Arguments& arguments, std::string_view what, OperationCall call) {
  const IdArgument id = id_argument(arguments);
  if (id.wrong) return *id.wrong;
  if (context.dry_run()) return planned(row_of(context, id.id), what);
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto operated = call(**redis, **pg, id.id);
  return operated ? answer_of(*operated) : context.failed(operated.error());
}

CommandResult operate_for_good(Context& context, const Arguments& arguments, std::string_view what, FinalCall call,
                               const std::string& consequence) {
  const IdArgument id = id_argument(arguments);
  if (id.wrong) return *id.wrong;
  const Row row = row_of(context, id.id);
  if (row.wrong) return *row.wrong;
  if (context.dry_run()) return planned(row, what);
  const postgres::CouponState& state = *row.state;
  if (auto stop = context.confirm(fmt::format("{} coupon {} '{}', which is {}, {} of {} settled? {}", what, state.id,
                                              Cell::text(state.name).plain(), postgres::word(state.status),
                                              state.issue_num, state.target_total, consequence)))
    return *stop;
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto operated = call(**redis, **pg, state.id, state.version);
  return operated ? answer_of(*operated) : context.failed(operated.error());
}

CommandResult publish(Context& context, const Arguments& arguments) {
  return operate(context, arguments, "publish", operations::publish_coupon);
}
CommandResult pause(Context& context, const Arguments& arguments) {
  return operate(context, arguments, "pause", operations::pause_coupon);
}
CommandResult resume(Context& context, const Arguments& arguments) {
  return operate(context, arguments, "resume", operations::resume_coupon);
}
CommandResult end(Context& context, const Arguments& arguments) {
  return operate_for_good(context, arguments, "end", operations::end_coupon, "It can never be opened again.");
}
CommandResult purge(Context& context, const Arguments& arguments) {
  return operate_for_good(context, arguments, "purge", operations::purge_coupon,
                          "Its claims and refusals are deleted for good, and its id can never be used again.");
}

/// Whether the existing coupon came from this same command: equal except for times that were relative to `now`.
Result<bool> repeated(postgres::Session& pg, const operations::NewCoupon& coupon, const Arguments& arguments) {
  const auto found = TRY(postgres::from_sql(postgres::coupon_state(pg, coupon.id)));
  if (!found.has_value()) return false;
  const postgres::CouponState& state = *found;
  const std::string begin = arguments.text("begin").value_or("now");
  const bool begin_moves = begin == "now" || begin.starts_with("+");
  const bool end_moves = begin_moves && arguments.text("end").value_or("").starts_with("+");
  return state.status != postgres::CouponStatus::kPurged && state.name == coupon.name &&
         state.target_total == coupon.total && state.user_limit == coupon.user_limit &&
         state.max_inflight == coupon.max_inflight && (begin_moves || state.begin_ms == coupon.begin_ms) &&
         (end_moves ? state.end_ms - state.begin_ms == coupon.end_ms - coupon.begin_ms : state.end_ms == coupon.end_ms);
}

/// The coupon that the options describe; `values` remembers what is wrong with them.
operations::NewCoupon coupon_of(Values& values, const Arguments& arguments) {
  for (const char* needed : {"id", "name", "total", "end"}) {
    if (!arguments.has(needed)) values.wrong(fmt::format("--{} is needed", needed));
  }
  const std::int64_t now = now_ms();
  operations::NewCoupon coupon;
  const auto id = parse_id(arguments.text("id").value_or(""));
  if (!id) values.wrong("--id is a whole number from 1, without leading zeros");
  coupon.id = id.value_or(0);
  coupon.name = values.name().value_or("");
  coupon.total = values.number("total", 1, kTotalMax).value_or(0);
  coupon.user_limit = values.number("user-limit", 1, kUserLimitMax).value_or(1);
  coupon.max_inflight = values.number("max-inflight", 1, kMaxInflightMax).value_or(coupon.max_inflight);
  coupon.begin_ms = arguments.has("begin") ? values.begin(now).value_or(0) : now;
  coupon.end_ms = values.end(coupon.begin_ms, "the beginning").value_or(0);
  if (values.is_wrong()) return coupon;
  const std::string problem = window_problem(coupon.begin_ms, coupon.end_ms, now);
  if (!problem.empty()) values.wrong(problem);
  return coupon;
}

CommandResult create(Context& context, const Arguments& arguments) {
  Values values(arguments);
  const operations::NewCoupon coupon = coupon_of(values, arguments);
  if (values.is_wrong()) return *values.is_wrong();
  if (context.dry_run()) {
    return done(fmt::format("would create coupon {}: {} units, {} a user, from {} to {} (nothing was changed)",
                            coupon.id, coupon.total, coupon.user_limit, rfc3339(coupon.begin_ms),
                            rfc3339(coupon.end_ms)));
  }
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  auto operated = operations::create_coupon(**pg, coupon);
  if (!operated) return context.failed(operated.error());
  if (operated->effect == operations::Effect::kRefused) {
    const auto same = repeated(**pg, coupon, arguments);
    if (!same) return context.failed(same.error());
    if (*same)
      operated = operations::Operated{operations::Effect::kAlready,
                                      fmt::format("coupon {} exists already, with its own times", coupon.id)};
  }
  return answer_of(*operated);
}

}  // namespace

std::vector<Verb> coupon_verbs() {
  const Option name{"name", "TEXT", "what people call it, 1 to 200 characters"};
  const Option total{"total", "N", "units to give out"};
  const Option limit{"user-limit", "N", "units one user may hold"};
  const Option inflight{"max-inflight", "N", "claims accepted but not settled, at most; beyond it BUSY"};
  return {
      {"coupon",
       "create",
       "",
       "make a draft; publish opens it",
       true,
       {{"id", "N", "the coupon's id, never used before"},
        name,
        total,
        limit,
        {"begin", "TIME", "RFC 3339, now (default), or counted from now: +2m"},
        {"end", "TIME", "RFC 3339, or counted from the beginning: +90s, +30m, +1h, +7d"},
        inflight},
       create},
      {"coupon", "publish", "<id>", "open a draft to claims", true, {}, publish},
      {"coupon", "pause", "<id>", "stop accepting claims for a while; what is in flight settles", true, {}, pause},
      {"coupon", "resume", "<id>", "accept claims again", true, {}, resume},
      {"coupon", "end", "<id>", "end it for good; what is in flight settles (asks)", true, {}, end},
      {"coupon",
       "update",
       "<id>",
       "restock or cut the total (a cut asks), extend the end, raise the limit, mend a draft",
       true,
       {{"total", "N", "units to give out, or what is added to them: +500, -500"},
        limit,
        {"begin", "TIME", "RFC 3339, now, or counted from now: +2m; once published only earlier"},
        {"end", "TIME", "RFC 3339, or counted from now: +1h"},
        inflight,
        name,
        {"drain", "SECONDS", "a cut waits this long for claims in flight (default 60)"}},
       update_coupon_verb},
      {"coupon", "show", "<id>", "one coupon in the database and in Redis, with its history", false, {}, show_coupon},
      {"coupon",
       "list",
       "",
       "all coupons of the database",
       false,
       {{"status", "STATUS", "only these", "draft issuing paused ended"}},
       list_coupons_verb},
      {"coupon", "purge", "<id>", "delete an ended coupon with its claims (asks)", true, {}, purge},
  };
}

}  // namespace flashclaim::cli
