// flashctl status: the three services and the coupons at a glance.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "engine/amqp/alarm.h"
#include "engine/amqp/connection.h"
#include "engine/amqp/topology.h"
#include "engine/base/ids.h"
#include "engine/base/try.h"
#include "engine/cli/command.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/migrate.h"
#include "engine/redis/library.h"

namespace flashclaim::cli {
namespace {

constexpr std::size_t kCouponsShown = 20;

std::string setting(redis::Client& redis, std::string_view name) {
  const auto reply = redis::ok(redis.command({"CONFIG", "GET", name}));
  return reply && reply->size() == 2 ? std::string((*reply)[1].text()) : "?";
}

Result<std::string> redis_detail(redis::Client& redis) {
  const auto loaded = TRY(redis::loaded_library(redis));
  const auto ready = TRY(redis::ok(redis.command({"EXISTS", redis::kReady})));
  std::string text = loaded.has_value() ? fmt::format("library version {}", loaded->version) : "no library: lua load";
  text += ready.integer() == 1 ? ", loaded" : ", NOT READY: rebuild";
  return text + fmt::format(", appendonly {}, appendfsync {}, aof-load-truncated {}, {}", setting(redis, "appendonly"),
                            setting(redis, "appendfsync"), setting(redis, "aof-load-truncated"),
                            setting(redis, "maxmemory-policy"));
}

Result<std::string> pg_detail(postgres::Session& pg) {
  const auto current = TRY(postgres::from_sql(postgres::schema_current(pg)));
  return std::string(current ? "schema current" : "schema not current: db status");
}

Result<std::string> amqp_detail(amqp::Connection& amqp) {
  const auto work = TRY(amqp.queue_state(amqp::kQueue));
  std::int64_t retries = 0;
  for (const std::string& queue : amqp::retry_queues()) retries += TRY(amqp.queue_depth(queue));
  const auto dead = TRY(amqp.queue_depth(amqp::kDeadLetterQueue));
  const auto alarm = TRY(amqp::alarm_of(amqp));
  auto text = fmt::format("{} waiting, {} in retry, {} dead letters, {} consumers", work.messages, retries, dead,
                          work.consumers);
  if (!alarm.empty())
    return failure(
        fmt::format("alarm ({}): it takes no messages, and nothing settles until that is over; {}", alarm, text));
  return text;
}

/// The first service that does not answer correctly.
struct Failing {
  std::string service;
  Error error;
};

/// One line of the services' table.
void add_service(Table& table, std::string_view name, const Result<std::string>& detail,
                 std::optional<Failing>& failing) {
  table.rows.push_back(
      {Cell::text(name), Cell::text(detail ? "ok" : "failing"), Cell::text(detail ? *detail : detail.error().message)});
  if (!detail && !failing) failing = Failing{fmt::format("{}: ", name), detail.error()};
}

template <class Service, class Detail>
Result<std::string> ask(const Result<Service*>& service, Detail detail) {
  if (!service) return service.error();
  return detail(**service);
}

struct CouponLine {
  postgres::CouponState state;
  std::int64_t left = 0;
  std::int64_t in_flight = 0;
  std::int64_t dead = 0;
  std::int64_t suspect = 0;
  bool loaded = false;
  std::string trouble;            ///< why Redis could not say: a damaged key, a right that is missing
  std::int64_t issued_after = 0;  ///< state.issue_num, asked again after Redis
  std::int64_t stock = 0;         ///< may be below 0 after a fix
  std::int64_t total = 0;         ///< what Redis was told, or should have been
};

/// How many units there are too many (below 0: too few), as far as two stores that are read one after the other can
/// show. A claim in flight may have its row already, and rows were added between the two reads of the database: so the
/// true number is between two bounds. It counts as a difference only when both bounds are above 0, or both below.
/// Nullopt: claims move, and the counts may agree (reconcile is exact).
std::optional<std::int64_t> sure_difference(const CouponLine& line) {
  const std::int64_t least = line.stock + line.state.issue_num - line.total;
  const std::int64_t most = line.stock + line.in_flight + line.issued_after - line.total;
  if (least > 0) return least;
  if (most < 0) return most;
  if (least == most) return 0;
  return std::nullopt;
}

/// Adds the second read of the database. Both lists are in id order; a coupon that is not in `again` was purged
/// meanwhile.
void note_again(std::vector<CouponLine>& lines, const std::vector<postgres::CouponState>& again) {
  for (CouponLine& line : lines) {
    const auto found =
        std::lower_bound(again.begin(), again.end(), line.state.id,
                         [](const postgres::CouponState& state, std::int64_t id) { return state.id < id; });
    if (found != again.end() && found->id == line.state.id) line.issued_after = found->issue_num;
  }
}

/// Adds what Redis says of the coupon.
void note_redis(CouponLine& line, const redis::Reply& counted, const redis::Reply& dead) {
  const auto counters = redis::parse_counters(counted.view());
  if (!counters || dead.is_error()) {
    line.trouble = counters ? std::string(dead.text()) : counters.error().message;
  } else if (counters->has_value()) {
    const redis::Counters& seen = **counters;
    line.loaded = true;
    line.left = std::max<std::int64_t>(0, seen.stock);
    line.stock = seen.stock;
    line.total = seen.version > line.state.version ? seen.total : line.state.target_total;
    line.in_flight = seen.inflight;
    line.suspect = seen.suspect;
    line.dead = dead.integer();
  }
}

/// The published coupons of a page, with what one pipeline to Redis says of them.
Result<std::vector<CouponLine>> lines_of(const std::vector<postgres::CouponState>& page, redis::Client& redis) {
  std::vector<CouponLine> lines;
  for (const postgres::CouponState& state : page) {
    if (state.publish_version == 0) continue;
    const redis::CouponKeys keys(state.id);
    redis.append(redis::reconcile_counters_command(keys));
    redis.append({"SCARD", keys.dead});
    CouponLine line;
    line.state = state;
    line.issued_after = state.issue_num;
    lines.push_back(std::move(line));
  }
  std::optional<Error> error;
  for (CouponLine& line : lines) {
    const auto counted = redis.read();
    const auto dead = redis.read();
    if (!counted || !dead) {
      error = counted ? dead.error() : counted.error();
    } else {
      note_redis(line, *counted, *dead);
    }
  }
  if (error) return *error;
  return lines;
}

Result<std::vector<CouponLine>> coupon_lines(redis::Client& redis, postgres::Session& pg) {
  std::vector<CouponLine> lines;
  TRY(postgres::each_coupon_page(pg, [&](const auto& page, std::int64_t after) -> Result<bool> {
    auto seen = TRY(lines_of(page, redis));
    const auto again = TRY(postgres::from_sql(postgres::list_coupons(pg, after, postgres::kCouponPage)));
    note_again(seen, again);
    lines.insert(lines.end(), std::make_move_iterator(seen.begin()), std::make_move_iterator(seen.end()));
    return true;
  }));
  return lines;
}

std::string seen_status(const CouponLine& line) {
  if (!line.trouble.empty()) return "FAILING: " + line.trouble;
  return std::string(line.loaded ? postgres::word(line.state.status) : "NOT LOADED");
}

/// Totals over all coupons, and the most active coupons one by one.
void add_coupons(Document& document, std::vector<CouponLine> lines, bool all) {
  std::int64_t settled = 0;
  std::int64_t in_flight = 0;
  std::int64_t dead = 0;
  std::int64_t suspects = 0;
  std::int64_t missing = 0;
  std::int64_t failing = 0;
  for (const CouponLine& line : lines) {
    settled += line.state.issue_num;
    in_flight += line.in_flight;
    dead += line.dead;
    suspects += line.suspect > 0 ? 1 : 0;
    missing += line.loaded || !line.trouble.empty() ? 0 : 1;
    failing += line.trouble.empty() ? 0 : 1;
  }
  document.add("couponCount", Cell::number(static_cast<std::int64_t>(lines.size())))
      .add("settledClaims", Cell::number(settled))
      .add("inFlightClaims", Cell::number(in_flight))
      .add("deadEntries", Cell::number(dead))
      .add("suspectCoupons", Cell::number(suspects))
      .add("notInRedis", Cell::number(missing))
      .add("failingCoupons", Cell::number(failing));
  std::stable_sort(lines.begin(), lines.end(), [](const CouponLine& a, const CouponLine& b) {
    const auto lively = [](const CouponLine& line) {
      return std::tuple(line.suspect > 0 || line.dead > 0 || !line.loaded, line.in_flight,
                        line.state.status == postgres::CouponStatus::kIssuing);
    };
    return lively(a) > lively(b);
  });
  if (!all && lines.size() > kCouponsShown) lines.resize(kCouponsShown);
  Table table{{"couponId", "status", "total", "settled", "left", "inFlight", "difference", "deadEntries", "suspect"},
              {}};
  for (const CouponLine& line : lines) {
    const auto difference = line.loaded ? sure_difference(line) : std::nullopt;
    table.rows.push_back({Cell::id(line.state.id), Cell::text(seen_status(line)), Cell::number(line.state.target_total),
                          Cell::number(line.state.issue_num), Cell::number(line.left), Cell::number(line.in_flight),
                          difference ? Cell::number(*difference) : Cell::none(), Cell::number(line.dead),
                          Cell::number(line.suspect)});
  }
  document.add("coupons", std::move(table));
}

CommandResult status(Context& context, const Arguments& arguments) {
  const auto redis = context.redis();
  const auto pg = context.pg();
  const auto amqp = context.amqp();
  std::optional<Failing> failing;
  const auto redis_state = ask(redis, redis_detail);
  Table services{{"service", "state", "detail"}, {}};
  add_service(services, "redis", redis_state, failing);
  add_service(services, "rabbitmq", ask(amqp, amqp_detail), failing);
  add_service(services, "postgresql", ask(pg, pg_detail), failing);
  Document document;
  document.add("services", std::move(services));
  if (redis_state && pg) {  // in a Redis that still loads its data every coupon would look lost
    auto lines = coupon_lines(**redis, **pg);
    if (lines) {
      add_coupons(document, std::move(lines).value(), arguments.has("all"));
    } else if (!failing) {
      failing = Failing{"", lines.error()};
    }
  }
  if (!failing) return done("", document);
  CommandResult answer{Exit::kUnreachable, failing->service + failing->error.message, document};
  const bool reached = redis && pg && amqp;
  if (reached) answer.exit = context.failed(failing->error).exit;
  return answer;
}

}  // namespace

std::vector<Verb> status_verbs() {
  return {{"status",
           "",
           "",
           "the services and the coupons at a glance",
           false,
           {{"all", "", "every coupon, not only the 20 liveliest"}},
           status}};
}

}  // namespace flashclaim::cli
