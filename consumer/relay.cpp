// Reads events in batches, publishes them, awaits their confirms, and only then deletes them.
#include "consumer/relay.h"

#include <chrono>

#include "engine/amqp/confirmed_publish.h"
#include "engine/amqp/topology.h"
#include "engine/base/log.h"
#include "engine/base/try.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/events.h"
#include "engine/postgres/writes.h"

namespace flashclaim::consumer {
namespace {

constexpr int kBatches = 32;  // of settle_claims, read and published together
constexpr int kIdleMs = 200;  // between two looks at an empty outbox: an event may be this late
constexpr int kStandbyMs = 1000;
constexpr std::chrono::seconds kConfirmDeadline{10};

std::vector<std::int64_t> batches_of(std::span<const postgres::SettlementEvent> events) {
  std::vector<std::int64_t> batches;
  for (const auto& event : events)
    if (batches.empty() || batches.back() != event.batch) batches.push_back(event.batch);
  return batches;
}

}  // namespace

Relay::Relay(const Options& options, Metrics& metrics, const Stop& stop)
    : options_(options), metrics_(metrics), stop_(stop), backoff_(options.backoff_first_ms, options.backoff_max_ms) {}

void Relay::run() {
  while (!stop_.told()) {
    const auto more = step();
    if (more) {
      backoff_.reset();
      if (!*more) stop_.wait_for(std::chrono::milliseconds(chosen_ ? kIdleMs : kStandbyMs));
      continue;
    }
    if (backoff_.fresh()) log(LogLevel::kWarn, "relay", "service_away", {{"error", more.error().message}});
    drop();
    stop_.wait_for(std::chrono::milliseconds(backoff_.next_ms()));
  }
}

// The lock ends with the session: another process goes on from there.
void Relay::drop() {
  chosen_ = false;
  pg_.reset();
  broker_.reset();
}

Result<bool> Relay::connect() {
  if (!pg_) {
    pg_ = TRY(postgres::from_sql(postgres::Session::connect(options_.pg_url, options_.name + "-relay")));
    // Without writes, events could not be deleted and would be published again and again.
    TRY(postgres::from_sql(postgres::check_writes(*pg_)));
  }
  if (!chosen_) {
    auto chosen = TRY(postgres::from_sql(postgres::become_relay(*pg_)));
    chosen_ = chosen;
    if (!chosen_) return false;
    log(LogLevel::kInfo, "relay", "chosen", {});
  }
  if (broker_) return true;
  amqp::Options wanted;
  wanted.name = options_.name + "-relay";
  broker_ = TRY(amqp::Connection::open(options_.amqp_url, wanted));
  TRY(amqp::need_topology(*broker_));
  TRY(broker_->enable_confirms());
  return true;
}

Result<bool> Relay::step() {
  const auto connected = connect();
  if (!connected || !*connected) return connected;
  if (auto alive = broker_->poll(0); !alive) return alive.error();  // heartbeats
  const auto events = TRY(postgres::from_sql(postgres::settlement_events(*pg_, kBatches)));
  if (events.empty()) return false;
  const auto messages = event_messages(events);
  TRY(publish(messages));
  const auto batches = batches_of(events);
  TRY(postgres::from_sql(postgres::forget_settlement_events(*pg_, batches)));
  for (const EventMessage& message : messages) metrics_.event_published(message.routing_key);
  return static_cast<int>(batches.size()) == kBatches;
}

// Not mandatory: there need not be a subscriber.
Result<void> Relay::publish(std::span<const EventMessage> messages) {
  std::vector<amqp::Publication> publications;
  publications.reserve(messages.size());
  for (const EventMessage& message : messages) {
    publications.push_back({.exchange = amqp::kExchange,
                            .routing_key = message.routing_key,
                            .body = message.body,
                            .message_id = message.message_id,
                            .headers = {},
                            .mandatory = false});
  }
  const auto why_not = TRY(amqp::publish_confirmed(
      *broker_, publications, {.deadline = kConfirmDeadline, .interrupted = [this] { return stop_.told(); }}));
  for (const std::string& why : why_not)
    if (!why.empty()) return failure("an event was not published: " + why);
  return {};
}

}  // namespace flashclaim::consumer
