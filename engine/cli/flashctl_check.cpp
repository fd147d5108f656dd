// flashctl check: judges the invariants now.
#include <spdlog/fmt/fmt.h>

#include <fstream>

#include "engine/amqp/connection.h"
#include "engine/base/ids.h"
#include "engine/base/text.h"
#include "engine/base/try.h"
#include "engine/cli/command.h"
#include "engine/operations/checker.h"
#include "engine/operations/sync_redis.h"

namespace flashclaim::cli {
namespace {

/// One statement counts a coupon, so that its numbers are of one moment: 10,000,000 rows take some seconds.
constexpr std::chrono::minutes kLongestCount(10);

/// Reads lines `claimId,userId`. Returns an empty text when all was read, else what is wrong.
std::string read_acknowledged(const std::string& file, std::vector<operations::Acknowledged>& list) {
  std::ifstream in(file);
  if (!in) return "cannot read " + file;
  std::string line;
  if (auto fine = refuse_byte_order_mark_of(file); !fine) return fine.error().message;
  for (std::int64_t number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line == "claim_id,user_id") continue;
    const auto comma = line.find(',');
    const auto claim = parse_claim_id(line.substr(0, comma));
    const auto user = comma == line.npos ? std::nullopt : parse_id(line.substr(comma + 1));
    if (!claim || !user) return fmt::format("{}:{} is not <claimId>,<userId>", file, number);
    list.push_back({*claim, *user});
  }
  return in.bad() ? "cannot read " + file : "";
}

Result<std::vector<std::int64_t>> all_coupons(postgres::Session& pg) {
  std::vector<std::int64_t> ids;
  TRY(postgres::each_coupon_page(pg, [&](const auto& page, std::int64_t) -> Result<bool> {
    for (const postgres::CouponState& state : page) ids.push_back(state.id);
    return true;
  }));
  return ids;
}

CommandResult check_answer(const operations::CheckReport& report) {
  Document document;
  document.add("couponCount", Cell::number(report.coupons))
      .add("settled", Cell::number(report.settled))
      .add("refused", Cell::number(report.refused))
      .add("inFlight", Cell::number(report.in_flight))
      .add("dead", Cell::number(report.dead))
      .add("left", Cell::number(report.left))
      .add("acknowledged", Cell::number(report.acknowledged))
      .add("pending", Cell::number(report.pending))
      .add("lost", Cell::number(report.lost))
      .add("untold", Cell::number(report.untold))
      .add("unaccepted", Cell::number(report.unaccepted));
  Table table{{"invariant", "couponId", "count", "what"}, {}};
  for (const operations::Violation& violation : report.violations) {
    table.rows.push_back({Cell::text(fmt::format("INV-{}", violation.invariant)),
                          violation.coupon_id == 0 ? Cell::none() : Cell::id(violation.coupon_id),
                          Cell::number(violation.count), Cell::text(violation.text)});
  }
  document.add("violations", std::move(table));
  if (report.holds() && report.unaccepted > 0) {
    return {Exit::kViolated,
            fmt::format(
                "every invariant holds, but {} claims were settled that Redis does not know to have accepted: it lost "
                "data, or a message was forged (engine/access/ACCESS.md); flashctl rebuild ID clears this",
                report.unaccepted),
            document};
  }
  if (report.holds()) return done("every invariant holds", document);
  return {Exit::kViolated, fmt::format("{} violations", report.violations.size()), document};
}

CommandResult check_verb(Context& context, const Arguments& arguments) {
  std::vector<std::int64_t> ids;
  operations::CheckOptions options;
  options.at_rest = !arguments.has("selling");
  options.lost_allowed = arguments.has("lost-allowed");
  if (!arguments.words.empty()) {
    const IdArgument id = id_argument(arguments);
    if (id.wrong) return *id.wrong;
    ids.push_back(id.id);
  }
  if (const auto file = arguments.text("acknowledged")) {
    const std::string wrong = read_acknowledged(*file, options.acknowledged);
    if (!wrong.empty()) return usage(wrong);
  }
  const auto redis = context.redis();
  if (!redis) return context.failed(redis.error());
  const auto pg = context.pg();
  if (!pg) return context.failed(pg.error());
  if (auto set = (*pg)->allow_long_statements(kLongestCount); !set) return context.failed(set.error().as_error());
  if (!ids.empty()) {
    const auto state = postgres::from_sql(postgres::coupon_state(**pg, ids.front()));
    if (!state) return context.failed(state.error());
    if (!state->has_value()) return not_found(fmt::format("there is no coupon {}", ids.front()));
  }
  amqp::Connection* amqp = nullptr;
  if (options.at_rest) {
    const auto connection = context.amqp();
    if (!connection) return context.failed(connection.error());
    amqp = *connection;
  }
  if (ids.empty()) {
    auto all = all_coupons(**pg);
    if (!all) return context.failed(all.error());
    ids = std::move(*all);
  }
  options.progress = Context::progress("coupons checked");
  const auto report = operations::check(**redis, **pg, amqp, ids, options);
  return report ? check_answer(*report) : context.failed(report.error());
}

}  // namespace

std::vector<Verb> check_verbs() {
  return {{"check",
           "",
           "[id]",
           "judge the invariants INV-1 to INV-5; at rest unless --selling",
           false,
           {{"selling", "", "claims are being made or settled: only what holds at any time"},
            {"acknowledged", "FILE", "lines claimId,userId that clients were told (202)"},
            {"lost-allowed", "", "Redis' data was destroyed: count what is nowhere, do not call it a violation"}},
           check_verb}};
}

}  // namespace flashclaim::cli
