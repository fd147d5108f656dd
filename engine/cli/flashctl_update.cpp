// flashctl coupon update: shows what would change, asks, then does it.
#include <spdlog/fmt/fmt.h>

#include "engine/base/rfc3339.h"
#include "engine/cli/command.h"
#include "engine/cli/coupon_values.h"
#include "engine/cli/flashctl_coupon.h"
#include "engine/cli/times.h"
#include "engine/operations/operations.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/coupons.h"

namespace flashclaim::cli {
namespace {

using postgres::CouponState;
using postgres::CouponStatus;

constexpr std::int64_t kDrainMaxS = 86'400;
constexpr std::int64_t kDrainS = 60;

/// The options of the command line.
struct Wanted {
  operations::CouponChange change;  ///< without the total
  std::optional<TotalArgument> total;
  std::chrono::seconds drain{kDrainS};
};

/// What these options change in the coupon that was read.
struct Plan {
  operations::CouponChange change;
  Table changes{{"what", "before", "after"}, {}};
  std::string summary;  ///< `total 1500 -> 1, end … -> …`; empty: it is so already

  void add(std::string_view what, const Cell& before, const Cell& after) {
    changes.rows.push_back({Cell::text(what), before, after});
    summary += fmt::format("{}{} {} -> {}", summary.empty() ? "" : ", ", what, before.plain(), after.plain());
  }
};

/// Reads the options; false when one is wrong or there is none.
bool read(Values& values, const Arguments& arguments, Wanted& wanted) {
  const std::int64_t now = now_ms();
  wanted.total = values.total_change();
  wanted.change.name = values.name();
  wanted.change.user_limit = values.number("user-limit", 1, kUserLimitMax);
  wanted.change.max_inflight = values.number("max-inflight", 1, kMaxInflightMax);
  wanted.change.begin_ms = values.begin(now);
  wanted.change.end_ms = values.end(now, "now");
  if (const auto drain = values.number("drain", 0, kDrainMaxS)) wanted.drain = std::chrono::seconds(*drain);
  bool any = false;
  for (const char* name : {"total", "name", "user-limit", "max-inflight", "begin", "end"}) any |= arguments.has(name);
  if (!any) values.wrong("nothing to change: give --total, --begin, --end, --user-limit, --max-inflight or --name");
  return !values.is_wrong();
}

/// Why the coupon cannot have this total; nullopt when it can.
std::optional<CommandResult> wrong_total(const CouponState& state, std::int64_t total) {
  if (total < 1 || total > kTotalMax) {
    return usage(fmt::format("the total of coupon {} is {}: it would be {}, and is 1 to {}", state.id,
                             state.target_total, total, kTotalMax));
  }
  if (total >= state.issue_num) return std::nullopt;
  return refused(
      fmt::format("{} claims of coupon {} are settled: the total cannot be lower", state.issue_num, state.id));
}

std::optional<CommandResult> wrong_window(const CouponState& state, const operations::CouponChange& change) {
  if (!change.begin_ms && !change.end_ms) return std::nullopt;
  const std::string problem =
      window_problem(change.begin_ms.value_or(state.begin_ms), change.end_ms.value_or(state.end_ms), now_ms());
  return problem.empty() ? std::nullopt : std::optional(usage(problem));
}

Cell number(std::int64_t value) { return Cell::number(value); }
Cell time(std::int64_t value) { return Cell::text(rfc3339(value)); }

Plan plan_for(const CouponState& state, const Wanted& wanted) {
  Plan plan;
  plan.change = wanted.change;
  plan.change.seen = state.version;
  if (wanted.total) {
    plan.change.total = wanted.total->relative ? state.target_total + wanted.total->units : wanted.total->units;
  }
  const auto differs = [](const auto& asked, const auto& has) { return asked && *asked != has; };
  const operations::CouponChange& to = plan.change;
  if (differs(to.name, state.name)) plan.add("name", Cell::text(state.name), Cell::text(*to.name));
  if (differs(to.total, state.target_total)) plan.add("total", number(state.target_total), number(*to.total));
  if (differs(to.user_limit, state.user_limit)) plan.add("userLimit", number(state.user_limit), number(*to.user_limit));
  if (differs(to.begin_ms, state.begin_ms)) plan.add("begin", time(state.begin_ms), time(*to.begin_ms));
  if (differs(to.end_ms, state.end_ms)) plan.add("end", time(state.end_ms), time(*to.end_ms));
  if (differs(to.max_inflight, state.max_inflight)) {
    plan.add("maxInflight", number(state.max_inflight), number(*to.max_inflight));
  }
  return plan;
}

/// Whether the change takes away units that are on sale. A cut that is under way does not count: it was confirmed when
/// it began.
bool is_cut(const CouponState& state, const operations::CouponChange& change) {
  return change.total && *change.total < state.target_total &&
         (state.status == CouponStatus::kIssuing || state.status == CouponStatus::kPaused);
}

std::string question(const CouponState& state, const Plan& plan) {
  return fmt::format(
      "Coupon {} '{}' is {}, {} of {} are settled. This is a cut: {}. {} units that nobody has claimed are taken away; "
      "who has a claim keeps it. Cut it?",
      state.id, Cell::text(state.name).plain(), postgres::word(state.status), state.issue_num, state.target_total,
      plan.summary, state.target_total - *plan.change.total);
}

CommandResult shown(const operations::Operated& operated, const Plan& plan) {
  CommandResult answer = answer_of(operated);
  if (answer.exit != Exit::kOk) return answer;
  if (!plan.summary.empty()) answer.message += ": " + plan.summary;
  answer.document.add("changes", plan.changes);
  return answer;
}

/// A relative total must not be added twice.
CommandResult failed(const Context& context, const Error& error, const Wanted& wanted, const Plan& plan) {
  CommandResult answer = context.failed(error);
  if (error.unknown() && wanted.total && wanted.total->relative) {
    answer.message = fmt::format("{} (it may have been carried out: repeat it with --total {}, not with what is added)",
                                 error.message, *plan.change.total);
  }
  return answer;
}

}  // namespace

CommandResult update_coupon_verb(Context& context, const Arguments& arguments) {
  const IdArgument id = id_argument(arguments);
  if (id.wrong) return *id.wrong;
  Values values(arguments);
  Wanted wanted;
  if (!read(values, arguments, wanted)) return *values.is_wrong();
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto found = postgres::from_sql(postgres::coupon_state(**pg, id.id));
  if (!found) return context.failed(found.error());
  if (!found->has_value() || (*found)->status == CouponStatus::kPurged) {
    return not_found(fmt::format("there is no coupon {}", id.id));
  }
  const CouponState& state = **found;
  const Plan plan = plan_for(state, wanted);
  if (plan.change.total) {
    if (auto wrong = wrong_total(state, *plan.change.total)) return *wrong;
  }
  if (auto wrong = wrong_window(state, plan.change)) return *wrong;
  const bool cut = is_cut(state, plan.change);
  if (context.dry_run()) {
    Document document;
    document.add("changes", plan.changes);
    return done(fmt::format("would update coupon {} '{}', which is {}: {}{} (nothing was changed)", state.id,
                            Cell::text(state.name).plain(), postgres::word(state.status),
                            plan.summary.empty() ? "it is so already" : plan.summary,
                            cut ? "; it is a cut, and asks before it is done" : ""),
                document);
  }
  if (cut) {
    if (auto stop = context.confirm(question(state, plan))) return *stop;
  }
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto operated = operations::update_coupon(**redis, **pg, id.id, plan.change, wanted.drain);
  return operated ? shown(*operated, plan) : failed(context, operated.error(), wanted, plan);
}

}  // namespace flashclaim::cli
