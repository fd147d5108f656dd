// The life of the mirror's thread: it connects, runs cycles, stops. See mirror.h and impl.h.
#include "engine/mirror/mirror.h"

#include "engine/base/log.h"
#include "engine/base/log_repeated.h"
#include "engine/base/try.h"
#include "engine/mirror/impl.h"
#include "engine/redis/functions.h"
#include "engine/redis/keys.h"
#include "engine/redis/role.h"

namespace flashclaim::mirror {
namespace {

constexpr std::chrono::milliseconds kRedisTimeout{5000};
constexpr std::chrono::milliseconds kLookAtServerEvery{1000};

}  // namespace

Mirror::Mirror(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Mirror::~Mirror() = default;
void Mirror::run() { impl_->run(); }
void Mirror::stop() { impl_->stop(); }
MirrorStats Mirror::stats() const { return impl_->stats(); }

Mirror::Impl::Impl(Options options)
    : options_(std::move(options)),
      publisher_(options_.amqp_url, options_.name, options_.window),
      watch_(options_.amqp_url, options_.name),
      rights_(options_.amqp_url, "flashclaim-mirror " + options_.name, amqp::User::kMirror),
      republisher_({{std::chrono::milliseconds(options_.republish_after_ms),
                     std::chrono::milliseconds(options_.republish_every_max_ms)},
                    options_.republish_per_second,
                    options_.name}) {}

MirrorStats Mirror::Impl::stats() const {
  std::lock_guard lock(shared_mutex_);
  return shared_;
}

void Mirror::Impl::stop() {
  stopping_ = true;
  std::lock_guard lock(stop_mutex_);
  stop_signal_.notify_all();
}

void Mirror::Impl::wait(int ms) {
  std::unique_lock lock(stop_mutex_);
  stop_signal_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_.load(); });
}

void Mirror::Impl::run() {
  log(LogLevel::kInfo, "mirror", "started", {{"name", options_.name}, {"window", options_.window}});
  while (!stopping_) {
    connect_redis_if_due();
    const bool was_connected = publisher_.connected();
    publisher_.connect_if_due();
    if (!was_connected && publisher_.connected()) {
      republisher_.judge().deliveries_may_be_back(Clock::now());
      rights_.ask_again();
    }
    look_at_rights();
    if (redis_ && publisher_.take_queue_was_lost()) {
      log(LogLevel::kWarn, "mirror", "queue_was_missing", {{"effect", "all unfinished entries are published again"}});
      republisher_.want_everything(streams_.all());
      look_round_at_ = {};
    }
    turn();
    show();
  }
  drain();
  show();
  log(LogLevel::kInfo, "mirror", "stopped",
      {{"name", options_.name}, {"mirrored", now_.mirrored}, {"left_pending", in_hand_.size()}});
}

/// Only while the broker accepts publishes: under an alarm it reads none, so rights cannot be tried.
void Mirror::Impl::look_at_rights() {
  if (!publisher_.connected() || publisher_.blocked() || !rights_.look_if_due()) return;
  now_.amqp_denied = rights_.denied();
  if (!now_.amqp_denied.empty())
    log(LogLevel::kError, "mirror", "rights_missing",
        {{"error", amqp::rights_text(amqp::User::kMirror, now_.amqp_denied)}});
}

void Mirror::Impl::show() {
  const auto& counters = publisher_.counters();
  now_.published = counters.published;
  now_.confirmed = counters.confirmed;
  now_.returned = counters.returned;
  now_.nacked = counters.nacked;
  now_.unconfirmed = publisher_.unconfirmed();
  now_.coupons = streams_.size();
  now_.redis_connected = redis_ != nullptr;
  now_.amqp_connected = publisher_.connected();
  now_.amqp_blocked = publisher_.blocked();
  std::lock_guard lock(shared_mutex_);
  shared_ = now_;
}

void Mirror::Impl::connect_redis_if_due() {
  if (redis_ || !redis_backoff_.due()) return;
  auto client = redis::Client::connect(options_.redis_url, kRedisTimeout);
  if (!client) return redis_failed("connect", client.error());
  redis_ = std::make_unique<Redis>(std::move(*client), options_.name);
  if (auto greeted = greet_redis(); !greeted) return redis_failed("connect", greeted.error());
  server_at_ = Clock::now() + kLookAtServerEvery;
  if (redis_told_.connected())
    log(LogLevel::kInfo, "mirror", "redis_connected", {{"replication_id", now_.replication_id}});
}

/// Reads alone would not show that this server became a replica, or is the primary again with another history.
Result<void> Mirror::Impl::look_at_server_if_due() {
  if (Clock::now() < server_at_) return {};
  server_at_ = Clock::now() + kLookAtServerEvery;
  TRY(redis::check_primary(redis_->client));
  TRY(judge_replication_id());
  redis_backoff_.reset();
  redis_told_.proven();
  return {};
}

/// What must be known before the first read: the coupons, and whether Redis still has the same history.
Result<void> Mirror::Impl::greet_redis() {
  coupons_at_ = {};
  TRY(refresh_coupons_if_due());
  // Replies were lost with the old connection, and entries with them: these are among our own pending ones.
  for (auto coupon : streams_.all()) recovering_[coupon] = {};
  return judge_replication_id();
}

Result<void> Mirror::Impl::judge_replication_id() {
  auto id = TRY(redis_->reader.replication_id());
  auto known = TRY(redis::ok(redis_->client.command({"GET", redis::kReplication})));
  now_.replication_id = id;
  if (known.text() == id) return {};
  if (!known.is_nil()) {
    log(LogLevel::kWarn, "mirror", "replication_id_changed", {{"before", known.text()}, {"now", id}});
    TRY(mark_all_suspect());
  }
  auto set = redis::ok(redis_->client.command({"SET", redis::kReplication, id}));
  return set ? Result<void>() : set.error();
}

Result<void> Mirror::Impl::mark_all_suspect() {
  for (auto coupon : streams_.all()) {
    auto marked = redis::mark_suspect(redis_->client, coupon);
    if (!marked && !redis_->client.connected()) return marked.error();
    if (!marked)
      log_repeated(LogLevel::kWarn, "mirror", "mark_failed", {{"coupon", coupon}, {"error", marked.error().message}});
  }
  return {};
}

void Mirror::Impl::redis_failed(std::string_view during, const Error& error) {
  redis_.reset();
  int wait_ms = redis_backoff_.next_ms();
  if (!redis_told_.lost(error.message)) return;
  log(LogLevel::kWarn, "mirror", "redis_lost", {{"during", during}, {"error", error.message}, {"retry_ms", wait_ms}});
}

void Mirror::Impl::drain() {
  auto deadline = Clock::now() + std::chrono::milliseconds(options_.stop_deadline_ms);
  std::vector<Published> outcomes;
  while (publisher_.unconfirmed() > 0 && Clock::now() < deadline) {
    outcomes.clear();
    publisher_.pump(20, outcomes);
    settle(outcomes);
  }
  if (redis_ && !confirmed_.empty())
    if (auto done = acknowledge(); !done) redis_failed("stop", done.error());
}

}  // namespace flashclaim::mirror
