// The report of `flashbench load` (see load_command.h; bench/README.md says how to read it).
#include "bench/load_command.h"
#include "bench/report.h"

namespace flashclaim::bench {
namespace {

using cli::Cell;

cli::Table timeline_table(const LoadReport& load) {
  cli::Table table{{"second", "sent", "accepted", "refused", "other", "maxUs"}, {}};
  for (std::size_t i = 0; i < load.timeline.size(); ++i) {
    const LoadSecond& second = load.timeline[i];
    table.rows.push_back({Cell::number(static_cast<std::int64_t>(i)), Cell::number(second.sent),
                          Cell::number(second.accepted), Cell::number(second.refused), Cell::number(second.other),
                          Cell::number(second.latency_max_us)});
  }
  return table;
}

cli::Table backlog_table(const std::vector<BacklogSample>& samples) {
  cli::Table table{{"ms", "claims", "entries", "queued"}, {}};
  for (const BacklogSample& sample : samples)
    table.rows.push_back({Cell::number(sample.at_ms), Cell::number(sample.backlog.claims),
                          Cell::number(sample.backlog.entries), Cell::number(sample.backlog.queued)});
  return table;
}

void add_plan(cli::Document& document, const LoadCommand& command) {
  const LoadPlan& plan = command.plan;
  document.add("mode", Cell::text(plan.rate > 0 ? "open loop" : "closed loop"))
      .add("ratePlanned", plan.rate > 0 ? Cell::decimal(plan.rate, 1) : Cell::none())
      .add("warmupSeconds", Cell::decimal(plan.warmup_s, 1))
      .add("plannedSeconds", Cell::decimal(plan.seconds, 1))
      .add("connections", Cell::number(plan.connections))
      .add("pipeline", Cell::number(plan.pipeline))
      .add("threads", Cell::number(plan.threads))
      .add("users", plan.users == 0 ? Cell::text("unique") : Cell::number(plan.users));
}

void add_backlog(cli::Document& document, const LoadCommandReport& report) {
  std::int64_t most = 0;
  for (const BacklogSample& sample : report.backlog) most = std::max(most, sample.backlog.claims);
  bool watched = !report.backlog.empty();
  document.add("backlogMaxClaims", watched ? Cell::number(most) : Cell::none())
      .add("backlogLastClaims", watched ? Cell::number(report.backlog.back().backlog.claims) : Cell::none())
      .add("drainSeconds", report.drain_us < 0 ? Cell::none() : seconds_cell(report.drain_us))
      .add("settled", report.drain_us < 0 ? Cell::none() : Cell::number(report.check.settled));
}

}  // namespace

cli::Document load_document(const LoadCommand& command, const LoadCommandReport& report) {
  const LoadReport& load = report.load;
  const Tally& tally = load.tally;
  cli::Document document;
  add_plan(document, command);
  document.add("coupons", Cell::number(static_cast<std::int64_t>(report.coupon_ids.size())))
      .add("firstCouponId", Cell::id(report.coupon_ids.front()))
      .add("measuredSeconds", seconds_cell(load.measured_us))
      .add("due", Cell::number(load.due))
      .add("unsent", Cell::number(load.unsent))
      .add("accepted", Cell::number(tally.accepted))
      .add("refused", Cell::number(tally.refused_total()))
      .add("outcomeUnknown", Cell::number(tally.outcome_unknown))
      .add("unanswered", Cell::number(tally.unanswered))
      .add("notSent", Cell::number(tally.not_sent))
      .add("unexpected", Cell::number(tally.unexpected))
      .add("withoutRetryAfter", Cell::number(tally.without_retry_after))
      .add("acceptedPerSecond", per_second_cell(tally.accepted, load.answering_us))
      .add("answersPerSecond", per_second_cell(tally.accepted + tally.refused_total(), load.answering_us))
      .add("acceptedInAll", Cell::number(load.all.accepted));
  add_backlog(document, report);
  if (!tally.unexpected_example.empty()) document.add("unexpectedAnswer", Cell::text(tally.unexpected_example));
  if (!tally.unanswered_reason.empty()) document.add("unansweredReason", Cell::text(tally.unanswered_reason));
  if (!load.problem.empty()) document.add("loadProblem", Cell::text(load.problem));
  if (!report.problem.empty()) document.add("problem", Cell::text(report.problem));
  document.add("passed", Cell::flag(report.passed()));
  document.add("durations", durations_table({{"latency", &load.latency},
                                             {"accepted", &load.accepted},
                                             {"refused", &load.refused},
                                             {"service", &load.service},
                                             {"lag", &load.lag}}));
  document.add("refusals", refusals_table(tally));
  if (command.timeline)
    document.add("startedAtMs", Cell::number(load.started_at_ms))
        .add("timeline", timeline_table(load))
        .add("backlog", backlog_table(report.backlog));
  if (command.settle) document.add("violations", violations_table(report.check));
  return document;
}

}  // namespace flashclaim::bench
