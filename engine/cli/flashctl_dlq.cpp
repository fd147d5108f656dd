// flashctl dlq: dead letters, listed, replayed, rejected.
#include <spdlog/fmt/fmt.h>

#include <charconv>

#include "engine/amqp/connection.h"
#include "engine/base/ids.h"
#include "engine/cli/command.h"
#include "engine/operations/dlq.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/coupons.h"

namespace flashclaim::cli {
namespace {

struct Filter {
  operations::DlqFilter filter;
  std::optional<CommandResult> wrong;
};
Filter filter_of(const Arguments& arguments) {
  Filter parsed;
  if (const auto text = arguments.text("coupon")) {
    parsed.filter.coupon_id = parse_id(*text);
    if (!parsed.filter.coupon_id) parsed.wrong = usage("--coupon is a coupon id, not '" + *text + "'");
  }
  if (const auto text = arguments.text("entry")) {
    parsed.filter.entry = parse_entry_id(*text);
    if (!parsed.filter.entry) parsed.wrong = usage("--entry is an entry id (1795380024805-0), not '" + *text + "'");
  }
  return parsed;
}

/// The three services, or the result to return when one is unreachable.
struct Services {
  redis::Client* redis = nullptr;
  postgres::Session* pg = nullptr;
  amqp::Connection* amqp = nullptr;
  std::optional<CommandResult> wrong;
};
Services services_of(Context& context) {
  Services services;
  const auto redis = context.redis();
  if (!redis) return {nullptr, nullptr, nullptr, context.failed(redis.error())};
  const auto pg = context.pg();
  if (!pg) return {nullptr, nullptr, nullptr, context.failed(pg.error())};
  const auto amqp = context.amqp();
  if (!amqp) return {nullptr, nullptr, nullptr, context.failed(amqp.error())};
  const auto confirms = (*amqp)->enable_confirms();
  if (!confirms) return {nullptr, nullptr, nullptr, context.failed(confirms.error())};
  return {*redis, *pg, *amqp, std::nullopt};
}

/// The result when the filter matched nothing. Nothing to do is a success; an entry or coupon that does not exist was
/// mistyped.
CommandResult nothing_meant(Context& context, postgres::Session& pg, const operations::DlqFilter& filter) {
  const std::string of_coupon = filter.coupon_id ? fmt::format(" of coupon {}", *filter.coupon_id) : "";
  if (filter.entry) {
    return not_found(fmt::format("no dead letter and no mark is of entry {}{}: flashctl dlq list shows what there is",
                                 filter.entry->text(), of_coupon));
  }
  if (filter.coupon_id) {
    const auto known = postgres::from_sql(postgres::coupon_state(pg, *filter.coupon_id));
    if (!known) return context.failed(known.error());
    if (!known->has_value()) return not_found(fmt::format("there is no coupon {}", *filter.coupon_id));
  }
  return done(fmt::format("there are no dead letters{}: nothing to do", of_coupon));
}

Table dead_table(const std::vector<operations::DeadLetter>& list) {
  Table table{{"couponId", "epoch", "entryId", "claims", "letter", "marked", "inStream", "attempts", "problem"}, {}};
  for (const operations::DeadLetter& dead : list) {
    const bool known = dead.coupon_id != 0;
    table.rows.push_back({known ? Cell::id(dead.coupon_id) : Cell::none(), Cell::number(dead.epoch),
                          known ? Cell::text(dead.entry.text()) : Cell::none(), Cell::number(dead.claims),
                          Cell::flag(dead.letter), Cell::flag(dead.marked), Cell::flag(dead.in_stream),
                          dead.attempts.empty() ? Cell::none() : Cell::text(dead.attempts),
                          dead.problem.empty() ? Cell::none() : Cell::text(dead.problem)});
  }
  return table;
}

CommandResult list(Context& context, const Arguments& arguments) {
  const Filter filter = filter_of(arguments);
  if (filter.wrong) return *filter.wrong;
  const Services services = services_of(context);
  if (services.wrong) return *services.wrong;
  const auto dead = operations::list_dead(*services.redis, *services.pg, *services.amqp, filter.filter);
  if (!dead) return context.failed(dead.error());
  Document document;
  document.add("deadLetters", dead_table(*dead));
  if (!dead->empty()) return done("", document);
  CommandResult answer = nothing_meant(context, *services.pg, filter.filter);
  if (answer.exit != Exit::kOk) return answer;
  return done("", document);  // the table says `none`
}

CommandResult answer_of(const operations::DlqReport& report, std::string message) {
  Document document;
  document.add("handled", Cell::number(report.handled))
      .add("claims", Cell::number(report.claims))
      .add("returned", Cell::number(report.returned))
      .add("kept", Cell::number(report.kept))
      .add("dropped", Cell::number(report.dropped))
      .add("cleared", Cell::number(report.cleared))
      .add("left", Cell::number(report.left));
  if (!report.advice.empty()) message += "; " + report.advice;
  if (report.left == 0) return done(std::move(message), document);
  return refused(fmt::format("{} letters were left: {}", report.left, report.why_left), document);
}

CommandResult act(Context& context, const Arguments& arguments, bool reject) {
  const Filter filter = filter_of(arguments);
  if (filter.wrong) return *filter.wrong;
  if (context.dry_run()) {
    CommandResult answer = list(context, arguments);
    if (answer.exit == Exit::kOk) {
      answer.message = fmt::format("would {} these (nothing was changed)", reject ? "reject" : "replay");
    }
    return answer;
  }
  if (reject) {
    if (auto stop = context.confirm("Reject the dead letters that are meant? Their claims are refused for good.")) {
      return *stop;
    }
  }
  const Services services = services_of(context);
  if (services.wrong) return *services.wrong;
  const auto report = (reject ? operations::reject_dead : operations::replay_dead)(*services.redis, *services.pg,
                                                                                   *services.amqp, filter.filter);
  if (!report) return context.failed(report.error());
  if (!report->matched()) return nothing_meant(context, *services.pg, filter.filter);
  const std::string message =
      reject ? fmt::format("rejected {} entries: {} units went back, {} claims had been settled and stay",
                           report->handled, report->returned, report->kept)
             : fmt::format("published {} entries again", report->handled);
  return answer_of(*report, message);
}

CommandResult replay(Context& context, const Arguments& arguments) { return act(context, arguments, false); }
CommandResult reject(Context& context, const Arguments& arguments) { return act(context, arguments, true); }

/// An entry id that Redis accepts but EntryId cannot hold: above 2^63.
std::optional<std::string> id_beyond(const Arguments& arguments) {
  const auto text = arguments.text("entry");
  if (!text || parse_entry_id(*text)) return std::nullopt;
  const auto dash = text->find('-');
  const auto fits = [](std::string_view part) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    return error == std::errc{} && end == part.data() + part.size() && (part == "0" || part.front() != '0');
  };
  if (dash == std::string::npos || !fits(text->substr(0, dash)) || !fits(text->substr(dash + 1))) return std::nullopt;
  return text;
}

/// Deletes this one entry; the caller has asked already.
CommandResult drop_beyond(Context& context, std::int64_t coupon, const std::string& id) {
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto report = operations::drop_stream_entry(**redis, coupon, id);
  if (!report) return context.failed(report.error());
  if (!report->matched()) return not_found(fmt::format("the stream of coupon {} holds no entry {}", coupon, id));
  return answer_of(*report, "dropped 1");
}

CommandResult drop(Context& context, const Arguments& arguments) {
  Arguments named = arguments;
  const auto beyond = id_beyond(arguments);
  if (beyond && arguments.has("coupon")) named.options.erase("entry");
  const Filter filter = filter_of(named);
  if (filter.wrong) return *filter.wrong;
  if (context.dry_run()) {
    CommandResult answer = list(context, arguments);
    if (answer.exit == Exit::kOk)
      answer.message = "would drop those of these that cannot be judged (nothing was changed)";
    return answer;
  }
  if (auto stop =
          context.confirm("Throw away the dead letters that are meant and cannot be judged? Nothing of them is kept."))
    return *stop;
  if (beyond) return drop_beyond(context, *filter.filter.coupon_id, *beyond);
  const Services services = services_of(context);
  if (services.wrong) return *services.wrong;
  const auto report = operations::drop_dead(*services.redis, *services.pg, *services.amqp, filter.filter);
  if (!report) return context.failed(report.error());
  if (!report->matched()) return nothing_meant(context, *services.pg, filter.filter);
  return answer_of(*report, fmt::format("dropped {}", report->dropped));
}

}  // namespace

std::vector<Verb> dlq_verbs() {
  const std::vector<Option> options = {{"coupon", "ID", "only this coupon's"}, {"entry", "ID", "only this entry"}};
  return {{"dlq", "list", "", "dead letters and the entries that they hold", false, options, list},
          {"dlq", "replay", "", "give dead letters another chance", true, options, replay},
          {"dlq", "reject", "", "refuse their claims for good; the units go back (asks)", true, options, reject},
          {"dlq", "drop", "", "throw away what neither can judge: damaged, forged (asks)", true, options, drop}};
}

}  // namespace flashclaim::cli
