// flashctl reconcile and rebuild: compare Redis with the database, or load it from there.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "engine/amqp/connection.h"
#include "engine/base/ids.h"
#include "engine/base/log.h"
#include "engine/base/try.h"
#include "engine/cli/command.h"
#include "engine/operations/dlq.h"
#include "engine/operations/queue_drain.h"
#include "engine/operations/rebuild.h"
#include "engine/operations/reconcile.h"
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"
#include "engine/redis/library.h"

namespace flashclaim::cli {
namespace {

/// The coupon named on the command line, or every published one.
Result<std::vector<std::int64_t>> published(postgres::Session& pg) {
  std::vector<std::int64_t> ids;
  TRY(postgres::each_coupon_page(pg, [&](const auto& page, std::int64_t) -> Result<bool> {
    for (const postgres::CouponState& state : page)
      if (state.publish_version > 0) ids.push_back(state.id);
    return true;
  }));
  return ids;
}

Table reconcile_table(const std::vector<operations::ReconcileReport>& reports) {
  Table table{{"couponId", "outcome", "total", "stock", "inFlight", "settled", "stockDrift", "inflightDrift",
               "usersChecked", "usersDrifting", "suspect", "stateBehind", "stateDifference"},
              {}};
  for (const operations::ReconcileReport& report : reports) {
    table.rows.push_back(
        {Cell::id(report.coupon_id), Cell::text(operations::word(report.outcome)), Cell::number(report.total),
         Cell::number(report.stock), Cell::number(report.in_flight), Cell::number(report.settled),
         Cell::number(report.stock_drift), Cell::number(report.inflight_drift), Cell::number(report.users_checked),
         Cell::number(report.users_drifting), Cell::number(report.suspect), Cell::flag(report.state_behind),
         report.state_difference.empty() ? Cell::none() : Cell::text(report.state_difference)});
  }
  return table;
}

Table drift_table(const std::vector<operations::ReconcileReport>& reports) {
  Table table{{"couponId", "userId", "counted", "expected"}, {}};
  for (const operations::ReconcileReport& report : reports) {
    for (const operations::UserDrift& drift : report.user_drifts) {
      table.rows.push_back({Cell::id(report.coupon_id), Cell::id(drift.user_id), Cell::number(drift.counted),
                            Cell::number(drift.expected)});
    }
  }
  return table;
}

/// A coupon that could not be reconciled or rebuilt although both services answer: the others go on.
struct Sick {
  std::int64_t coupon_id = 0;
  std::string error;
};

bool is_about_the_coupon(redis::Client& redis, postgres::Session& pg, const Error& error) {
  return !error.unknown() && redis.connected() && pg.open();
}

void add_sick(CommandResult& answer, const std::vector<Sick>& sick) {
  if (sick.empty()) return;
  Table table{{"couponId", "error"}, {}};
  for (const Sick& one : sick) table.rows.push_back({Cell::id(one.coupon_id), Cell::text(one.error)});
  answer.document.add("failed", std::move(table));
  const bool worse = answer.exit != Exit::kOk;
  if (!worse) answer.exit = Exit::kFailure;
  answer.message = fmt::format("{}{} coupons failed and were passed by, the first: {}: {}",
                               worse ? answer.message + "; " : "", sick.size(), sick[0].coupon_id, sick[0].error);
}

CommandResult reconcile_answer(const std::vector<operations::ReconcileReport>& reports, bool one, bool fix) {
  operations::ReconcileOutcome worst = operations::ReconcileOutcome::kExact;
  std::int64_t fixed = 0;
  bool deferred = false;
  for (const operations::ReconcileReport& report : reports) {
    worst = std::max(worst, report.outcome);
    fixed += report.outcome == operations::ReconcileOutcome::kFixed ? 1 : 0;
    deferred = deferred || report.users_deferred;
  }
  Document document;
  document.add("coupons", reconcile_table(reports));
  if (Table drifts = drift_table(reports); !drifts.rows.empty()) document.add("userDrifts", std::move(drifts));
  switch (worst) {
    case operations::ReconcileOutcome::kExact:
      return done("Redis and the database agree", document);
    case operations::ReconcileOutcome::kFixed:
      return done(fmt::format("mended {} coupons", fixed), document);
    case operations::ReconcileOutcome::kDrift:
      return {Exit::kViolated, "Redis and the database differ: --fix mends it, also while the sale runs", document};
    case operations::ReconcileOutcome::kMoved:
      return {Exit::kViolated, fmt::format("{}other fixers came between: run it again", fix ? "" : "in part, "),
              document};
    case operations::ReconcileOutcome::kRolledBack:
      return {Exit::kViolated, "Redis rolled back behind what the database holds: flashctl rebuild", document};
    case operations::ReconcileOutcome::kNotLoaded:
      return {Exit::kRefused, "Redis does not hold every published coupon: flashctl rebuild", document};
    case operations::ReconcileOutcome::kNotFound:
      break;
  }
  if (one) return not_found("there is no such published coupon");
  return done("", document);  // purged since the list was read
}

CommandResult reconcile_verb(Context& context, const Arguments& arguments) {
  const bool fix = arguments.has("fix") && !context.dry_run();
  std::vector<std::int64_t> ids;
  if (!arguments.words.empty()) {
    const IdArgument id = id_argument(arguments);
    if (id.wrong) return *id.wrong;
    ids.push_back(id.id);
  }
  const bool one = !ids.empty();
  if (fix) {
    const std::string what = one ? "coupon " + arguments.words[0] : "every coupon";
    if (auto stop = context.confirm("Mend stock and user counts of " + what + " in Redis?")) return *stop;
  }
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  if (!one) {
    auto all = published(**pg);
    if (!all) return context.failed(all.error());
    ids = std::move(*all);
  }
  operations::ReconcileOptions options;
  options.fix = fix;
  options.users = !arguments.has("stock-only");
  std::vector<operations::ReconcileReport> reports;
  std::vector<Sick> sick;
  operations::UsersByCoupon counted;
  if (arguments.has("strays")) {
    const auto scanned = operations::scan_user_keys_into(counted, **redis, one ? ids[0] : 0);
    if (!scanned) return context.failed(scanned.error());
  }
  for (const std::int64_t id : ids) {
    options.strays = &counted[id];
    options.progress = Context::progress(fmt::format("coupon {}: users", id));
    const auto report = operations::reconcile(**redis, **pg, id, options);
    if (!report) {
      if (one || !is_about_the_coupon(**redis, **pg, report.error())) return context.failed(report.error());
      sick.push_back({id, report.error().message});
    } else if (one || report->outcome != operations::ReconcileOutcome::kNotFound) {
      reports.push_back(*report);
    }
  }
  CommandResult answer = reconcile_answer(reports, one, fix);
  add_sick(answer, sick);
  return answer;
}

/// Loads the library if it is missing: a Redis that lost its files lost its functions too.
Result<void> ensure_library(redis::Client& redis) {
  const auto loaded = TRY(redis::loaded_library(redis));
  if (loaded.has_value()) return {};
  TRY(redis::load_library(redis, kLuaLibrary));
  return {};  // another load came between: that one will do
}

std::string way_out(const operations::RebuildReport& report) {
  switch (report.outcome) {
    case operations::RebuildOutcome::kOpen:
      return "";
    case operations::RebuildOutcome::kNotFound:
      return fmt::format("there is no coupon {}", report.coupon_id);
    case operations::RebuildOutcome::kNeverIssued:
      return fmt::format("coupon {} was never published, or is purged", report.coupon_id);
    case operations::RebuildOutcome::kDeadLetters:
      return fmt::format(
          "coupon {} has dead letters, which hold units: flashctl dlq replay or dlq reject, then rebuild "
          "again (it answers NOT_READY until then)",
          report.coupon_id);
    case operations::RebuildOutcome::kNotDrained:
      return fmt::format(
          "coupon {} still has {} entries in flight: see that mirror and consumer run, then rebuild again "
          "(it answers NOT_READY until then)",
          report.coupon_id, report.entries_left);
    case operations::RebuildOutcome::kRaced:
      return fmt::format("another rebuild of coupon {} came between: see flashctl coupon show {}", report.coupon_id,
                         report.coupon_id);
  }
  return "";
}

CommandResult rebuild_answer(const std::vector<operations::RebuildReport>& reports, bool ready) {
  Table table{{"couponId", "outcome", "epoch", "stock", "users", "entriesLeft"}, {}};
  Exit exit = Exit::kOk;
  std::string message;
  for (const operations::RebuildReport& report : reports) {
    table.rows.push_back({Cell::id(report.coupon_id), Cell::text(operations::word(report.outcome)),
                          Cell::number(report.epoch), Cell::number(report.stock), Cell::number(report.users),
                          Cell::number(report.entries_left)});
    if (report.outcome == operations::RebuildOutcome::kOpen || exit != Exit::kOk) continue;
    exit = report.outcome == operations::RebuildOutcome::kNotFound ? Exit::kNotFound : Exit::kRefused;
    message = way_out(report);
  }
  Document document;
  document.add("coupons", std::move(table)).add_json("ready", Cell::flag(ready));
  if (exit == Exit::kOk) {
    message = reports.empty() ? "Redis holds every published coupon: nothing to rebuild"
                              : fmt::format("rebuilt {} coupons{}", reports.size(),
                                            ready ? "" : "; others are still missing: flashctl rebuild");
  }
  return {exit, message, document};
}

/// `rebuild --if-new`: only the marker, and only for a database that never published anything.
CommandResult rebuild_if_new(Context& context) {
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  if (context.dry_run())
    return done("would mark Redis as loaded if no coupon was ever published (nothing was changed)");
  const auto marked = operations::mark_ready_if_new(**redis, **pg);
  if (!marked) return context.failed(marked.error());
  return done(*marked ? "a new database: Redis is marked as loaded" : "not a new database: nothing was done",
              Document().add_json("changed", Cell::flag(*marked)));
}

/// Waits because messages in RabbitMQ can settle only until the epoch is raised, and are refused after it. Nullopt: go
/// on.
std::optional<CommandResult> wait_for_queues(Context& context, const operations::QueueDrain& drain) {
  if (drain.quiet.count() == 0) return std::nullopt;
  const auto amqp = context.amqp();
  if (!amqp) {
    CommandResult answer = context.failed(amqp.error());
    answer.message +=
        ". RabbitMQ may hold claims that can still be settled: start it, or give them up with --queue-quiet 0";
    return answer;
  }
  const auto left = operations::drain_queues(**amqp, drain);
  if (!left) return context.failed(left.error());
  if (*left == 0) return std::nullopt;
  return refused(
      fmt::format("RabbitMQ still holds {} messages: see that the consumer runs, then rebuild again (claims "
                  "answer NOT_READY until then), or give them up with --queue-quiet 0",
                  *left));
}

/// Entries that settled and whose finish Redis lost are in no queue any more. The mirror would publish them after a
/// minute; this saves the drain that minute. If it fails, the drain waits as before.
void publish_again(Context& context, const std::vector<std::int64_t>& ids) {
  const auto replay = [&]() -> Result<void> {
    const auto redis = TRY(context.redis());
    const auto amqp = TRY(context.amqp());
    TRY(amqp->enable_confirms());
    for (const std::int64_t id : ids) {
      const auto replayed = operations::replay_entries(*redis, *amqp, id);  // it logs damaged entries itself
      if (!replayed) return replayed.error();
    }
    return {};
  };
  const auto replayed = replay();
  if (!replayed) log(LogLevel::kWarn, "operations", "not_published_again", {{"error", replayed.error().message}});
}

/// A number of seconds, or the usage result that says what is wrong.
std::optional<CommandResult> seconds_of(const Arguments& arguments, const std::string& name,
                                        std::chrono::milliseconds& value) {
  const auto text = arguments.text(name);
  if (!text) return std::nullopt;
  const auto seconds = parse_number(*text, 86'400);
  if (!seconds) return usage("--" + name + " is a number of seconds up to 86400, not '" + *text + "'");
  value = std::chrono::seconds(*seconds);
  return std::nullopt;
}

CommandResult rebuild_verb(Context& context, const Arguments& arguments) {
  const bool one = !arguments.words.empty();
  if (arguments.has("if-new")) return one ? usage("--if-new is about no single coupon") : rebuild_if_new(context);
  IdArgument id;
  if (one) id = id_argument(arguments);
  if (id.wrong) return *id.wrong;
  operations::RebuildOptions options;
  operations::QueueDrain queues;
  if (auto wrong = seconds_of(arguments, "drain", options.drain)) return *wrong;
  if (auto wrong = seconds_of(arguments, "queue-quiet", queues.quiet)) return *wrong;
  queues.wait = options.drain;
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  std::vector<std::int64_t> ids = {id.id};
  if (!context.dry_run()) {
    const auto library = ensure_library(**redis);
    if (!library) return context.failed(library.error());
  }
  const auto lost = one ? operations::to_rebuild(**redis, **pg, id.id) : operations::coupons_to_rebuild(**redis, **pg);
  if (!lost) return context.failed(lost.error());
  const bool data_lost = !lost->empty();
  if (!one) ids = *lost;
  if (context.dry_run()) {
    return done(one ? fmt::format("would freeze and rebuild coupon {} (nothing was changed)", id.id)
                    : fmt::format("would rebuild {} coupons (nothing was changed)", ids.size()));
  }
  const std::string question = one ? fmt::format("Freeze and rebuild coupon {}?", id.id)
                                   : fmt::format("Rebuild the {} coupons that Redis lost?", ids.size());
  if (one || !ids.empty()) {
    if (auto stop = context.confirm(question + " Their claims answer NOT_READY until it is done.")) return *stop;
  }
  if (data_lost) {  // otherwise the coupon's stream shows what is in flight
    queues.progress = Context::progress("RabbitMQ: messages left");
    if (auto stop = wait_for_queues(context, queues)) return *stop;
    if (queues.quiet.count() > 0) publish_again(context, ids);
  }
  std::vector<operations::RebuildReport> reports;
  std::vector<Sick> sick;
  operations::UsersByCoupon counted;
  const auto scanned =
      ids.empty() ? Result<void>() : operations::scan_user_keys_into(counted, **redis, one ? id.id : 0);
  if (!scanned) return context.failed(scanned.error());
  options.counted = &counted;
  for (const std::int64_t coupon : ids) {
    options.progress = Context::progress(fmt::format("coupon {}: user counts loaded", coupon));
    const auto report = operations::rebuild_coupon(**redis, **pg, coupon, options);
    if (report) {
      reports.push_back(*report);
    } else if (one || !is_about_the_coupon(**redis, **pg, report.error())) {
      return context.failed(report.error());
    } else {
      sick.push_back({coupon, report.error().message});
    }
  }
  const auto ready = operations::mark_ready_if_complete(**redis, **pg);
  if (!ready) return context.failed(ready.error());
  CommandResult answer = rebuild_answer(reports, *ready);
  add_sick(answer, sick);
  return answer;
}

}  // namespace

std::vector<Verb> repair_verbs() {
  return {
      {"reconcile",
       "",
       "[id]",
       "the exact difference between Redis and the database, while the sale runs",
       true,
       {{"fix", "", "mend it (asks)"},
        {"stock-only", "", "not the counts of single users"},
        {"strays", "",
         "also counts of users whom neither stream nor database knows (scans every key of Redis, paced)"}},
       reconcile_verb},
      {"rebuild",
       "",
       "[id]",
       "load what a Redis that lost its data lacks, or one coupon anew (asks)",
       true,
       {{"drain", "SECONDS", "wait this long for claims in flight (default 60)"},
        {"queue-quiet", "SECONDS",
         "after a loss of data: RabbitMQ has to be empty this long (default 6); 0 does not wait"},
        {"if-new", "", "first start: only mark Redis as loaded, if no coupon was ever published"}},
       rebuild_verb},
  };
}

}  // namespace flashclaim::cli
