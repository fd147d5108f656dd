// flashctl coupon: create, publish, pause, resume, end, update, purge.
#include "engine/admin/flashctl_coupon.h"

#include <spdlog/fmt/fmt.h>

#include "engine/admin/command.h"
#include "engine/admin/operations.h"
#include "engine/admin/tell_redis.h"
#include "engine/admin/times.h"
#include "engine/base/ids.h"
#include "engine/postgres/coupons.h"

namespace flashclaim::admin {
namespace {

constexpr std::size_t kNameBytesMax = 800;
constexpr std::int64_t kDrainMaxS = 86'400;

using OperationCall = Result<Operated> (*)(redis::Client&, postgres::Session&, std::int64_t);

/// Operated as an answer; in JSON the effect is a member too.
Answer answer_of(const Operated& operated) {
  Document document;
  switch (operated.effect) {
    case Effect::kDone:
    case Effect::kAlready:
      document.add_json("changed", Cell::flag(operated.effect == Effect::kDone));
      return done(operated.message, document);
    case Effect::kNotFound:
      return not_found(operated.message);
    case Effect::kRefused:
      return refused(operated.message);
    case Effect::kUnfinished:
      return refused(operated.message, document.add_json("changed", Cell::flag(true)));
  }
  return refused(operated.message);
}

/// The coupon's row, for a dry run; nullopt with the answer to give when there is none.
struct Row {
  std::optional<postgres::CouponState> state;
  std::optional<Answer> wrong;
};
Row row_of(Context& context, std::int64_t id) {
  const auto pg = context.pg();
  if (!pg) return {std::nullopt, context.failed(pg.error())};
  const auto state = from_sql(postgres::coupon_state(**pg, id));
  if (!state) return {std::nullopt, context.failed(state.error())};
  if (!state->has_value()) return {std::nullopt, not_found(fmt::format("there is no coupon {}", id))};
  return {**state, std::nullopt};
}

Answer planned(const Row& row, std::string_view what) {
  if (row.wrong) return *row.wrong;
  return done(fmt::format("would {} coupon {} '{}', which is {} (nothing was changed)", what, row.state->id,
                          Cell::text(row.state->name).plain(), postgres::word(row.state->status)));
}

Answer operate(Context& context, const Arguments& arguments, std::string_view what, OperationCall call,
               const std::string& question = "") {
  const IdArgument id = id_argument(arguments);
  if (id.wrong) return *id.wrong;
  if (context.dry_run()) return planned(row_of(context, id.id), what);
  if (!question.empty()) {
    if (auto stop = context.confirm(fmt::format("{} coupon {}? {}", what, id.id, question))) return *stop;
  }
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto operated = call(**redis, **pg, id.id);
  return operated ? answer_of(*operated) : context.failed(operated.error());
}

Answer publish(Context& context, const Arguments& arguments) {
  return operate(context, arguments, "publish", publish_coupon);
}
Answer pause(Context& context, const Arguments& arguments) {
  return operate(context, arguments, "pause", pause_coupon);
}
Answer resume(Context& context, const Arguments& arguments) {
  return operate(context, arguments, "resume", resume_coupon);
}
Answer end(Context& context, const Arguments& arguments) {
  return operate(context, arguments, "end", end_coupon, "It can never be opened again.");
}
Answer purge(Context& context, const Arguments& arguments) {
  return operate(context, arguments, "purge", purge_coupon,
                 "Its claims and refusals are deleted for good, and its id can never be used again.");
}

/// Collects numbers and times from options; the first that is wrong is remembered.
class Values {
 public:
  explicit Values(const Arguments& arguments) : arguments_(arguments) {}

  std::optional<std::int64_t> number(std::string_view name, std::int64_t least) {
    const auto text = arguments_.text(name);
    if (!text) return std::nullopt;
    const auto value = parse_number(*text);
    if (!value || *value < least) {
      wrong(fmt::format("--{} is a whole number from {}, not '{}'", name, least, *text));
      return std::nullopt;
    }
    return value;
  }
  std::optional<std::int64_t> end(std::int64_t begin) {
    const auto text = arguments_.text("end");
    if (!text) return std::nullopt;
    const auto value = parse_end(*text, begin);
    if (!value) {
      wrong(
          fmt::format("--end is RFC 3339 (2026-11-24T20:00:00+08:00) or a time from the beginning such as +1h (s, "
                      "m, h, d), not '{}'",
                      *text));
    }
    return value;
  }
  std::optional<std::int64_t> begin() {
    const std::string text = arguments_.text("begin").value_or("now");
    const auto value = parse_begin(text, now_ms());
    if (!value) wrong(fmt::format("--begin is RFC 3339 (2026-11-24T20:00:00+08:00) or now, not '{}'", text));
    return value;
  }
  std::optional<std::string> name() {
    const auto text = arguments_.text("name");
    if (text && (text->empty() || text->size() > kNameBytesMax)) wrong("--name is 1 to 200 characters");
    if (text && Cell::text(*text).plain() != *text) wrong("--name holds control characters or is no UTF-8");
    return text;
  }
  void wrong(std::string message) {
    if (!wrong_) wrong_ = usage(std::move(message));
  }
  [[nodiscard]] const std::optional<Answer>& is_wrong() const { return wrong_; }

 private:
  const Arguments& arguments_;
  std::optional<Answer> wrong_;
};

/// Whether the coupon that is there came from this same command: equal in all but times that were relative to `now`.
Result<bool> repeated(postgres::Session& pg, const NewCoupon& coupon, const Arguments& arguments) {
  const auto found = from_sql(postgres::coupon_state(pg, coupon.id));
  if (!found) return found.error();
  if (!found->has_value()) return false;
  const postgres::CouponState& state = **found;
  const bool begin_moves = arguments.text("begin").value_or("now") == "now";
  const bool end_moves = begin_moves && arguments.text("end").value_or("").starts_with("+");
  return state.status != postgres::CouponStatus::kPurged && state.name == coupon.name &&
         state.target_total == coupon.total && state.user_limit == coupon.user_limit &&
         state.max_inflight == coupon.max_inflight && (begin_moves || state.begin_ms == coupon.begin_ms) &&
         (end_moves ? state.end_ms - state.begin_ms == coupon.end_ms - coupon.begin_ms : state.end_ms == coupon.end_ms);
}

Answer create(Context& context, const Arguments& arguments) {
  Values values(arguments);
  for (const char* needed : {"id", "name", "total", "end"}) {
    if (!arguments.has(needed)) values.wrong(fmt::format("--{} is needed", needed));
  }
  if (values.is_wrong()) return *values.is_wrong();
  NewCoupon coupon;
  const auto id = parse_id(*arguments.text("id"));
  if (!id) values.wrong("--id is a whole number from 1, without leading zeros");
  coupon.id = id.value_or(0);
  coupon.name = values.name().value_or("");
  coupon.total = values.number("total", 1).value_or(0);
  coupon.user_limit = values.number("user-limit", 1).value_or(1);
  coupon.max_inflight = values.number("max-inflight", 1).value_or(coupon.max_inflight);
  coupon.begin_ms = values.begin().value_or(0);
  coupon.end_ms = values.end(coupon.begin_ms).value_or(0);
  if (!values.is_wrong() && coupon.end_ms <= coupon.begin_ms) values.wrong("--end must be after --begin");
  if (values.is_wrong()) return *values.is_wrong();
  if (context.dry_run()) {
    return done(fmt::format("would create coupon {}: {} units, {} a user, from {} to {} (nothing was changed)",
                            coupon.id, coupon.total, coupon.user_limit, rfc3339(coupon.begin_ms),
                            rfc3339(coupon.end_ms)));
  }
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  auto operated = create_coupon(**pg, coupon);
  if (!operated) return context.failed(operated.error());
  if (operated->effect == Effect::kRefused) {
    const auto same = repeated(**pg, coupon, arguments);
    if (!same) return context.failed(same.error());
    if (*same)
      operated = Operated{Effect::kAlready, fmt::format("coupon {} exists already, with its own times", coupon.id)};
  }
  return answer_of(*operated);
}

Answer update(Context& context, const Arguments& arguments) {
  const IdArgument id = id_argument(arguments);
  if (id.wrong) return *id.wrong;
  Values values(arguments);
  CouponChange change;
  change.name = values.name();
  change.total = values.number("total", 1);
  change.user_limit = values.number("user-limit", 1);
  change.max_inflight = values.number("max-inflight", 1);
  change.end_ms = values.end(now_ms());
  const auto drain = values.number("drain", 0);
  if (drain && *drain > kDrainMaxS) values.wrong("--drain is at most a day");
  if (values.is_wrong()) return *values.is_wrong();
  if (!change.name && !change.total && !change.user_limit && !change.max_inflight && !change.end_ms) {
    return usage("nothing to change: give --total, --end, --user-limit, --max-inflight or --name");
  }
  if (context.dry_run()) return planned(row_of(context, id.id), "update");
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto operated = update_coupon(**redis, **pg, id.id, change, std::chrono::seconds(drain.value_or(60)));
  return operated ? answer_of(*operated) : context.failed(operated.error());
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
        {"begin", "TIME", "RFC 3339 or now (default)"},
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
       "restock or cut the total, extend the end, raise the limit",
       true,
       {total,
        limit,
        {"end", "TIME", "RFC 3339, or counted from now: +1h"},
        inflight,
        name,
        {"drain", "SECONDS", "a cut waits this long for claims in flight (default 60)"}},
       update},
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

}  // namespace flashclaim::admin
