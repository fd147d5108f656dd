// Looks at coupons in rounds and mends them; the numbers are judged by reconcile in engine/operations.
#include "consumer/reconciler.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "engine/base/assets.h"
#include "engine/base/ids.h"
#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/operations/patrol.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/ledger.h"
#include "engine/postgres/migrate.h"
#include "engine/postgres/rights.h"
#include "engine/postgres/writes.h"
#include "engine/redis/functions.h"
#include "engine/redis/keys.h"
#include "engine/redis/library.h"
#include "engine/redis/rights.h"
#include "engine/redis/role.h"

namespace flashclaim::consumer {
namespace {

// Comparing walks over everything in flight: so a bounded number of coupons a round, and a small share of Redis' time.
constexpr int kComparedPerRound = 10;
// Two small reads a coupon: ten thousand coupons take less than a minute.
constexpr int kPatrolledPerRound = 250;
constexpr double kComparingShare = 0.03;
constexpr int kOverloadedRounds = 3;  // after so many rounds in a row with a service too busy, a person must know
// A restart of Redis makes every coupon suspect, also during a sale: most of Redis' time is left to claims.
constexpr double kRedisShare = 0.1;

}  // namespace

Reconciler::Reconciler(const Options& options, Metrics& metrics, Health& health, const Stop& stop)
    : options_(options),
      metrics_(metrics),
      health_(health),
      stop_(stop),
      backoff_(options.mend_every_ms, std::max(options.mend_every_ms, options.backoff_max_ms)) {}

void Reconciler::run() {
  std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<int> jitter(options_.mend_every_ms / 2, options_.mend_every_ms);
  std::string trouble;
  while (!stop_.told()) {
    const auto done = round();
    if (stop_.told()) break;  // a round that was interrupted says nothing about a service
    if (!done && done.error().message != trouble)
      log(LogLevel::kWarn, "reconciler", "service_away", {{"error", done.error().message}});
    if (done && !trouble.empty()) log(LogLevel::kInfo, "reconciler", "service_back");
    trouble = done ? "" : done.error().message;
    if (done) backoff_.reset();
    if (!done) resign();  // a process that has all its services takes over
    stop_.wait_for(std::chrono::milliseconds(done ? jitter(random) : backoff_.next_ms()));
  }
}

Result<void> Reconciler::round() {
  TRY(connect());
  TRY(look_at_services());
  if (guard_removed("consumer.reconciler")) return {};
  auto chosen = is_chosen();
  if (!chosen || !*chosen) return chosen ? Result<void>() : Result<void>(chosen.error());
  auto coupons = TRY(redis::issuing_coupons(*redis_));
  forget_all_but(coupons);
  auto suspected = TRY(suspects(coupons));
  numbers_mended_.clear();
  for (const std::int64_t coupon_id : suspected) TRY(mend_numbers(coupon_id));
  looked_at_ = std::chrono::steady_clock::now();
  coupons_ = std::move(coupons);
  for (const std::int64_t coupon_id : suspected) TRY(mend(coupon_id));
  TRY(patrol(suspected));
  return compare_in_turn(coupons_);
}

// The users of one coupon may take minutes. Coupons that become suspect meanwhile get their numbers mended in between.
void Reconciler::look_in_between() {
  const auto now = std::chrono::steady_clock::now();
  if (now - looked_at_ < std::chrono::milliseconds(options_.mend_every_ms)) return;
  looked_at_ = now;
  const auto suspected = suspects(coupons_);
  if (!suspected) return;  // the interrupted walk meets the same error
  for (const std::int64_t coupon_id : *suspected) {
    if (!numbers_mended_.contains(coupon_id) && !mend_numbers(coupon_id)) return;
  }
}

// Mends stock and claims in flight of every suspect before its users: until then a unit that does not exist is given
// out, refused and returned again and again.
Result<void> Reconciler::mend_numbers(std::int64_t coupon_id) {
  numbers_mended_.insert(coupon_id);
  operations::ReconcileOptions wanted;
  wanted.fix = true;
  wanted.users = false;
  wanted.keep_marks = true;
  wanted.take_back_cuts = false;
  wanted.redis_share = kRedisShare;
  wanted.interrupted = [this] { return stop_.told(); };
  const auto report = operations::reconcile(*redis_, *pg_, coupon_id, wanted);
  if (!report) return pass_by(coupon_id, report.error());
  if (report->outcome != operations::ReconcileOutcome::kFixed) return {};
  const auto judged = judge(*report, true);
  return judged ? Result<void>() : pass_by(coupon_id, judged.error());
}

Result<void> Reconciler::connect() {
  if (!redis_ || !redis_->connected()) {
    health_.redis = false;
    auto connected = redis::Client::connect(options_.redis_url, redis::Milliseconds(options_.redis_timeout_ms));
    if (!connected) return redis_away(connected.error());
    redis_ = std::move(connected).value();
  }
  if (!pg_ || !pg_->open()) {
    health_.postgres = false;
    resign();
    auto connected = postgres::Session::connect(options_.pg_url, options_.name + "-reconciler");
    if (!connected) return postgres_away(connected.error().as_error());
    pg_ = std::move(connected).value();
  }
  return {};
}

// Only one reconciler works among all processes: each would look at everything, at the cost of Redis. The lock ends
// with the session.
Result<bool> Reconciler::is_chosen() {
  if (chosen_) return true;
  auto chosen = TRY(postgres::from_sql(postgres::become_reconciler(*pg_)));
  chosen_ = chosen;
  metrics_.reconciler(chosen_);
  if (chosen_) log(LogLevel::kInfo, "reconciler", "chosen");
  return chosen_;
}

void Reconciler::resign() {
  pg_.reset();
  if (!chosen_) return;
  chosen_ = false;
  metrics_.reconciler(false);
  off_set_.clear();
  forget_all_but({});
}

Result<void> Reconciler::look_at_services() {
  const auto redis_writes = redis::check_writes(*redis_);
  const auto postgres_writes = postgres::check_writes(*pg_);
  health_.redis = redis_writes.has_value();
  health_.postgres = postgres_writes.has_value();
  auto library = redis::loaded_library(*redis_);
  health_.library = library && library->has_value() && (*library)->version >= kLuaLibrary.version;
  auto current = postgres::schema_current(*pg_);
  health_.schema = current && *current;
  if (!postgres_writes) (void)postgres_away(postgres_writes.error().as_error());
  if (!redis_writes || !library) return redis_away(redis_writes ? library.error() : redis_writes.error());
  if (!postgres_writes) return postgres_writes.error().as_error();
  if (!current) return postgres_away(current.error().as_error());
  return look_at_rights();
}

Error Reconciler::redis_away(const Error& error) {
  health_.redis_why.set(error.message);
  health_.redis = false;
  return error;
}

Error Reconciler::postgres_away(const Error& error) {
  health_.postgres_why.set(error.message);
  health_.postgres = false;
  return error;
}

// A missing right makes this program not ready; it still mends what it can without that right.
Result<void> Reconciler::look_at_rights() {
  const auto at_redis = redis::missing_right(*redis_, redis::User::kConsumer);
  const auto at_postgres = postgres::from_sql(postgres::missing_right(*pg_, postgres::User::kConsumer));
  const bool known = at_redis && at_postgres;
  health_.rights = known && at_redis->empty() && at_postgres->empty();
  if (!known) health_.rights_why.set("not known: a service does not answer");
  if (!at_redis) return redis_away(at_redis.error());
  if (!at_postgres) return postgres_away(at_postgres.error());
  std::string text;
  if (!at_redis->empty()) text = "redis: " + redis::rights_text(redis::User::kConsumer, *at_redis);
  if (!at_postgres->empty())
    text +=
        (text.empty() ? "" : "; ") + ("postgres: " + postgres::rights_text(postgres::User::kConsumer, *at_postgres));
  if (!text.empty()) health_.rights_why.set(text);
  if (!text.empty() && text != rights_said_) log(LogLevel::kWarn, "reconciler", "rights_missing", {{"error", text}});
  rights_said_ = text;
  return {};
}

Result<std::vector<std::int64_t>> Reconciler::suspects(const std::vector<std::int64_t>& coupons) {
  for (const std::int64_t coupon_id : coupons) redis_->append({"HGET", redis::CouponKeys(coupon_id).coupon, "suspect"});
  std::vector<std::int64_t> suspected;
  std::optional<Error> error;
  for (const std::int64_t coupon_id : coupons) {
    auto mark = redis_->read();
    // An error reply is about one damaged key: its coupon is treated, and reported, like a suspect.
    if (!mark) {
      error = mark.error();
    } else if (mark->is_error() || parse_number(mark->text()).value_or(0) > 0) {
      suspected.push_back(coupon_id);
    }
  }
  if (error) return *error;
  return suspected;
}

Result<void> Reconciler::mend(std::int64_t coupon_id) {
  operations::ReconcileOptions wanted;
  wanted.fix = true;
  wanted.redis_share = kRedisShare;
  wanted.take_back_cuts = false;  // its PostgreSQL role may not change terms: an operator must
  wanted.interrupted = [this] { return stop_.told(); };
  wanted.between = [this] { look_in_between(); };
  auto report = operations::reconcile(*redis_, *pg_, coupon_id, wanted);
  if (!report) return pass_by(coupon_id, report.error());
  auto judged = judge(*report, true);
  if (!judged) return pass_by(coupon_id, judged.error());
  if (report->cut_unfit) name_unfit_cut(coupon_id);
  return {};
}

// Only an operator may change the terms: the consumer's PostgreSQL role may not. Until then Redis gives out the old
// total, which the database still allows.
void Reconciler::name_unfit_cut(std::int64_t coupon_id) {
  name(coupon_id, "a cut of its total was begun and never told to Redis, and fewer units are left than it takes",
       fmt::format("flashctl reconcile {0} --fix takes it back; or flashctl coupon update {0} --total N", coupon_id));
}

Result<void> Reconciler::pass_by(std::int64_t coupon_id, const Error& error) {
  if (stop_.told() || !redis_->connected() || !pg_->open() || !health_.library) return error;
  metrics_.passed_by(redis::is_damaged(error) ? "damaged" : "other");
  metrics_.forget_drift(coupon_id);  // the old drift says nothing about now
  // A server that is busy for a moment needs nobody. A coupon that is too much for it every time needs a person.
  if (error.code == ErrorCode::kOverloaded && ++overloaded_[coupon_id] < kOverloadedRounds) {
    log(LogLevel::kWarn, "reconciler", "coupon_put_off", {{"coupon", coupon_id}, {"error", error.message}});
    return {};
  }
  name(coupon_id, error.message,
       fmt::format("flashctl reconcile {0} says more; flashctl rebuild {0} loads it anew", coupon_id));
  return {};
}

void Reconciler::name(std::int64_t coupon_id, const std::string& trouble, const std::string& remedy) {
  std::string& known = sick_[coupon_id];
  metrics_.sick_coupons(static_cast<std::int64_t>(sick_.size()));
  if (known == trouble) return;
  known = trouble;
  log(LogLevel::kError, "reconciler", "coupon_passed_by",
      {{"coupon", coupon_id}, {"error", trouble}, {"remedy", remedy}});
}

// True when Redis lacks the same version as at the last look, at least one round ago: a running operation would have
// reached Redis by now.
bool Reconciler::stays_behind(const operations::ReconcileReport& report) {
  if (!report.state_behind) {
    behind_.erase(report.coupon_id);
    return false;
  }
  return std::exchange(behind_[report.coupon_id], report.version) == report.version;
}

// Looks at a part of all coupons in each round, also at coupons that are in no set of Redis any more.
Result<void> Reconciler::patrol(const std::vector<std::int64_t>& mended) {
  const auto seen = TRY(operations::patrol(*redis_, *pg_, patrolled_, kPatrolledPerRound));
  std::erase_if(off_set_, [&](std::int64_t id) { return id > patrolled_ && (seen.next == 0 || id <= seen.next); });
  off_set_.insert(seen.to_mend.begin(), seen.to_mend.end());
  patrolled_ = seen.next;
  for (const std::int64_t coupon_id : seen.to_mend) {
    if (std::binary_search(mended.begin(), mended.end(), coupon_id)) continue;
    TRY(mend(coupon_id));
  }
  return {};
}

Result<void> Reconciler::compare_in_turn(const std::vector<std::int64_t>& coupons) {
  if (coupons.empty()) return {};
  operations::ReconcileOptions wanted;
  wanted.users = false;
  wanted.redis_share = kComparingShare;
  wanted.interrupted = [this] { return stop_.told(); };
  wanted.between = [this] { look_in_between(); };
  auto next = std::upper_bound(coupons.begin(), coupons.end(), compared_);
  for (int n = 0; n < kComparedPerRound && n < static_cast<int>(coupons.size()) && !stop_.told(); ++n, ++next) {
    if (next == coupons.end()) next = coupons.begin();
    compared_ = *next;
    const auto report = operations::reconcile(*redis_, *pg_, compared_, wanted);
    auto judged = report ? judge(*report, false) : Result<void>(report.error());
    if (judged && stays_behind(*report)) judged = mend(compared_);
    if (judged) continue;
    TRY(pass_by(compared_, judged.error()));
  }
  return {};
}

Result<void> Reconciler::judge(const operations::ReconcileReport& report, bool mending) {
  using operations::ReconcileOutcome;
  const bool fixed = report.outcome == ReconcileOutcome::kFixed;
  metrics_.drift(report.coupon_id, fixed ? 0 : report.stock_drift, fixed ? 0 : report.inflight_drift);
  if (mending) metrics_.mended(operations::word(report.outcome));
  overloaded_.erase(report.coupon_id);
  if (!report.state_behind && sick_.erase(report.coupon_id) > 0)
    metrics_.sick_coupons(static_cast<std::int64_t>(sick_.size()));
  if (report.outcome == ReconcileOutcome::kRolledBack) return freeze(report);
  const auto known = known_.find(report.coupon_id);
  const ReconcileOutcome before = known == known_.end() ? ReconcileOutcome::kExact : known->second;
  known_[report.coupon_id] = report.outcome;
  if (report.outcome == before && !fixed) return {};
  log(report.outcome == ReconcileOutcome::kExact ? LogLevel::kInfo : LogLevel::kWarn, "reconciler",
      mending ? "coupon_mended" : "coupon_compared",
      {{"coupon", report.coupon_id},
       {"outcome", operations::word(report.outcome)},
       {"epoch", report.epoch},
       {"suspect", report.suspect},
       {"stock_drift", report.stock_drift},
       {"inflight_drift", report.inflight_drift},
       {"users_drifting", report.users_drifting}});
  return {};
}

// The database has settled entries that this Redis never gave out: its data of this coupon are older than the database.
Result<void> Reconciler::freeze(const operations::ReconcileReport& report) {
  TRY(redis::rebuild_freeze(*redis_, report.coupon_id));
  known_[report.coupon_id] = report.outcome;
  metrics_.frozen();
  log(LogLevel::kError, "reconciler", "coupon_frozen",
      {{"coupon", report.coupon_id},
       {"epoch", report.epoch},
       {"reason", "Redis lost data: the database holds claims that Redis never gave out"},
       {"remedy", fmt::format("flashctl rebuild {}", report.coupon_id)}});
  return {};
}

void Reconciler::forget_all_but(const std::vector<std::int64_t>& coupons) {
  const auto kept = [&](std::int64_t id) {
    return off_set_.contains(id) || std::binary_search(coupons.begin(), coupons.end(), id);
  };
  for (auto known = known_.begin(); known != known_.end();) {
    if (kept(known->first)) {
      ++known;
    } else {
      metrics_.forget_drift(known->first);
      known = known_.erase(known);
    }
  }
  std::erase_if(overloaded_, [&](const auto& one) { return !kept(one.first); });
  std::erase_if(sick_, [&](const auto& one) { return !kept(one.first); });
  std::erase_if(behind_, [&](const auto& one) { return !kept(one.first); });
  metrics_.sick_coupons(static_cast<std::int64_t>(sick_.size()));
}

}  // namespace flashclaim::consumer
