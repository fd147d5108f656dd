// Rounds of looking and mending; every judgement of numbers is reconcile's, in engine/admin.
#include "consumer/mender.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "engine/base/assets.h"
#include "engine/base/ids.h"
#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/postgres/migrate.h"
#include "engine/redis/functions.h"
#include "engine/redis/keys.h"
#include "engine/redis/library.h"

namespace flashclaim::consumer {
namespace {

// Comparing costs a look at all that is in flight: a bounded number of coupons a round.
constexpr int kComparedPerRound = 10;
// A restart of Redis makes every coupon suspect, in mid-sale too: the claims come first.
constexpr double kRedisShare = 0.1;

}  // namespace

Mender::Mender(const Options& options, Metrics& metrics, Health& health, const Stop& stop)
    : options_(options),
      metrics_(metrics),
      health_(health),
      stop_(stop),
      backoff_(options.mend_every_ms, std::max(options.mend_every_ms, options.backoff_max_ms)) {}

void Mender::run() {
  std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<int> jitter(options_.mend_every_ms / 2, options_.mend_every_ms);
  std::string trouble;
  while (!stop_.told()) {
    const auto done = round();
    if (stop_.told()) break;  // a round that was interrupted says nothing about a service
    if (!done && done.error().message != trouble)
      log(LogLevel::kWarn, "mender", "service_away", {{"error", done.error().message}});
    if (done && !trouble.empty()) log(LogLevel::kInfo, "mender", "service_back");
    trouble = done ? "" : done.error().message;
    if (done) backoff_.reset();
    stop_.wait_for(std::chrono::milliseconds(done ? jitter(random) : backoff_.next_ms()));
  }
}

Result<void> Mender::round() {
  if (auto connected = connect(); !connected) return connected;
  if (auto looked = look_at_services(); !looked) return looked;
  if (guard_removed("consumer.mender")) return {};
  auto coupons = issuing();
  if (!coupons) return coupons.error();
  forget_all_but(*coupons);
  auto suspected = suspects(*coupons);
  if (!suspected) return suspected.error();
  for (const std::int64_t coupon_id : *suspected)
    if (auto mended = mend(coupon_id); !mended) return mended;
  return compare_in_turn(*coupons);
}

Result<void> Mender::connect() {
  if (!redis_ || !redis_->connected()) {
    health_.redis = false;
    auto connected = redis::Client::connect(options_.redis_url, redis::Milliseconds(options_.redis_timeout_ms));
    if (!connected) return connected.error();
    redis_ = std::move(connected).value();
  }
  if (!pg_ || !pg_->open()) {
    health_.postgres = false;
    auto connected = postgres::Session::connect(options_.pg_url, options_.name + "-mender");
    if (!connected) return connected.error().as_error();
    pg_ = std::move(connected).value();
  }
  return {};
}

Result<void> Mender::look_at_services() {
  auto library = redis::loaded_library(*redis_);
  health_.redis = library.has_value();
  health_.library = library && library->has_value() && (*library)->version >= kLuaLibrary.version;
  auto current = postgres::schema_current(*pg_);
  health_.postgres = current.has_value();
  health_.schema = current && *current;
  if (!library) return library.error();
  if (!current) return current.error().as_error();
  return {};
}

Result<std::vector<std::int64_t>> Mender::issuing() {
  auto members = redis::ok(redis_->command({"SMEMBERS", redis::kIssuing}));
  if (!members) return members.error();
  std::vector<std::int64_t> coupons;
  for (std::size_t i = 0; i < members->size(); ++i)
    if (const auto id = parse_id((*members)[i].text())) coupons.push_back(*id);
  std::sort(coupons.begin(), coupons.end());
  return coupons;
}

Result<std::vector<std::int64_t>> Mender::suspects(const std::vector<std::int64_t>& coupons) {
  for (const std::int64_t coupon_id : coupons) redis_->append({"HGET", redis::CouponKeys(coupon_id).coupon, "suspect"});
  std::vector<std::int64_t> suspected;
  std::optional<Error> error;
  for (const std::int64_t coupon_id : coupons) {
    auto mark = redis_->read();
    // An error reply is about one damaged key: its coupon is looked at, and reported, like a suspected one.
    if (!mark) {
      error = mark.error();
    } else if (mark->is_error() || parse_number(mark->text()).value_or(0) > 0) {
      suspected.push_back(coupon_id);
    }
  }
  if (error) return *error;
  return suspected;
}

Result<void> Mender::mend(std::int64_t coupon_id) {
  admin::ReconcileOptions wanted;
  wanted.fix = true;
  wanted.redis_share = kRedisShare;
  wanted.interrupted = [this] { return stop_.told(); };
  auto report = admin::reconcile(*redis_, *pg_, coupon_id, wanted);
  if (!report) {
    if (!redis::is_damaged(report.error())) return report.error();
    log(LogLevel::kError, "mender", "coupon_damaged", {{"coupon", coupon_id}, {"error", report.error().message}});
    return {};
  }
  return judge(*report, true);
}

Result<void> Mender::compare_in_turn(const std::vector<std::int64_t>& coupons) {
  if (coupons.empty()) return {};
  admin::ReconcileOptions wanted;
  wanted.users = false;
  auto next = std::upper_bound(coupons.begin(), coupons.end(), compared_);
  for (int n = 0; n < kComparedPerRound && n < static_cast<int>(coupons.size()) && !stop_.told(); ++n, ++next) {
    if (next == coupons.end()) next = coupons.begin();
    compared_ = *next;
    auto report = admin::reconcile(*redis_, *pg_, compared_, wanted);
    if (!report && !redis::is_damaged(report.error())) return report.error();
    if (!report) continue;
    if (auto judged = judge(*report, false); !judged) return judged;
  }
  return {};
}

Result<void> Mender::judge(const admin::ReconcileReport& report, bool mending) {
  using admin::ReconcileOutcome;
  const bool fixed = report.outcome == ReconcileOutcome::kFixed;
  metrics_.drift(report.coupon_id, fixed ? 0 : report.stock_drift, fixed ? 0 : report.inflight_drift);
  if (mending) metrics_.mended(admin::word(report.outcome));
  if (report.outcome == ReconcileOutcome::kRolledBack) return freeze(report);
  const auto known = known_.find(report.coupon_id);
  const ReconcileOutcome before = known == known_.end() ? ReconcileOutcome::kExact : known->second;
  known_[report.coupon_id] = report.outcome;
  if (report.outcome == before && !fixed) return {};
  log(report.outcome == ReconcileOutcome::kExact ? LogLevel::kInfo : LogLevel::kWarn, "mender",
      mending ? "coupon_mended" : "coupon_compared",
      {{"coupon", report.coupon_id},
       {"outcome", admin::word(report.outcome)},
       {"epoch", report.epoch},
       {"suspect", report.suspect},
       {"stock_drift", report.stock_drift},
       {"inflight_drift", report.inflight_drift},
       {"users_drifting", report.users_drifting}});
  return {};
}

// The database has settled entries that Redis never gave out: whatever Redis says of this coupon is from the past.
Result<void> Mender::freeze(const admin::ReconcileReport& report) {
  auto frozen = redis::rebuild_freeze(*redis_, report.coupon_id);
  if (!frozen) return frozen.error();
  known_[report.coupon_id] = report.outcome;
  metrics_.frozen();
  log(LogLevel::kError, "mender", "coupon_frozen",
      {{"coupon", report.coupon_id},
       {"epoch", report.epoch},
       {"reason", "Redis lost data: the database holds claims that Redis never gave out"},
       {"remedy", fmt::format("flashctl rebuild {}", report.coupon_id)}});
  return {};
}

void Mender::forget_all_but(const std::vector<std::int64_t>& coupons) {
  for (auto known = known_.begin(); known != known_.end();) {
    if (std::binary_search(coupons.begin(), coupons.end(), known->first)) {
      ++known;
    } else {
      metrics_.forget_drift(known->first);
      known = known_.erase(known);
    }
  }
}

}  // namespace flashclaim::consumer
