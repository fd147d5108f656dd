// Connects when due, publishes into the window, reads confirms, and drops a connection that does not answer.
#include "engine/mirror/publisher.h"

#include "engine/amqp/topology.h"
#include "engine/base/digest.h"
#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"

namespace flashclaim::mirror {
namespace {

constexpr auto kConfirmPatience = std::chrono::seconds(30);
constexpr int kEventsMax = 4096;  // of one pump

}  // namespace

Publisher::Publisher(std::string amqp_url, std::string name, std::size_t window_max)
    : amqp_url_(std::move(amqp_url)), name_(std::move(name)), window_max_(window_max) {}

void Publisher::connect_if_due() {
  if (connection_ || !reconnect_.due()) return;
  if (auto connected = connect(); !connected) {
    connection_.reset();
    int wait_ms = reconnect_.next_ms();
    const std::string& why = connected.error().message;
    if (told_.lost(why)) log(LogLevel::kWarn, "mirror", "broker_unreachable", {{"error", why}, {"retry_ms", wait_ms}});
    return;
  }
  reconnect_.reset();
  if (told_.connected()) log(LogLevel::kInfo, "mirror", "broker_connected", {});
}

Result<void> Publisher::connect() {
  connection_ = TRY(amqp::Connection::open(amqp_url_, {.name = "flashclaim-mirror " + name_}));
  if (!connection_->queue_state(amqp::kQueue) && connection_->open()) queue_was_lost_ = true;
  TRY(amqp::need_topology(*connection_));
  patient_since_ = Clock::now();
  return connection_->enable_confirms();
}

Result<void> Publisher::look_again() {
  if (!connection_->queue_state(amqp::kQueue) && connection_->open()) queue_was_lost_ = true;
  return amqp::need_topology(*connection_);
}

std::size_t Publisher::room() const {
  if (!connection_ || connection_->blocked() || !refusal_.due()) return 0;
  return window_max_ - std::min(window_max_, window_.size());
}

void Publisher::publish(const EntryMessage& message, Purpose purpose) {
  Published published{message.coupon_id, message.entry, purpose, false};
  if (!connection_) {
    undelivered_.push_back(published);
    return;
  }
  const std::string body = encode(message);
  const std::string id = message.message_id();
  test_point("mirror.publish.sending");
  auto sequence = connection_->publish({.exchange = amqp::kExchange,
                                        .routing_key = amqp::kRoutingKey,
                                        .body = body,
                                        .message_id = id,
                                        .headers = {{std::string(amqp::kChecksumHeader), checksum(body)}},
                                        .mandatory = !guard_removed("mirror.mandatory")});
  if (!sequence) {
    undelivered_.push_back(published);
    lose(sequence.error().message);
    return;
  }
  test_point("mirror.publish.sent");
  ++counters_.published;
  if (guard_removed("mirror.confirm")) {
    published.taken = true;
    undelivered_.push_back(published);
    return;
  }
  window_.add(*sequence, published.coupon_id, published.entry, purpose);
}

void Publisher::pump(int timeout_ms, std::vector<Published>& outcomes) {
  for (int i = 0; connection_ && i < kEventsMax; ++i) {
    auto event = connection_->poll(i == 0 ? timeout_ms : 0);
    if (!event) {
      lose(event.error().message);
      break;
    }
    if (!*event) break;
    handle(**event, outcomes);
  }
  check_patience();
  outcomes.insert(outcomes.end(), undelivered_.begin(), undelivered_.end());
  undelivered_.clear();
}

void Publisher::handle(const amqp::Event& event, std::vector<Published>& outcomes) {
  if (const auto* confirmed = std::get_if<amqp::Confirmed>(&event)) {
    test_point("mirror.publish.confirmed");
    auto before = outcomes.size();
    window_.answer(*confirmed, outcomes);
    std::size_t taken = 0;
    for (auto i = before; i < outcomes.size(); ++i) taken += outcomes[i].taken ? 1 : 0;
    counters_.confirmed += taken;
    if (taken > 0) told_.proven();
    if (taken > 0 && refusal_.due()) refusal_.reset();
    if (!confirmed->ack) {
      counters_.nacked += outcomes.size() - before;
      refuse("publish_refused", "the broker answered nack");
    }
  } else if (const auto* returned = std::get_if<amqp::Returned>(&event)) {
    ++counters_.returned;
    window_.mark_returned(returned->message_id);
    if (!refusal_.due()) return;  // one repair for a whole window that comes back
    refuse("publish_unroutable",
           returned->reply + ": a queue or its binding is missing; flashctl mq declare makes both");
    if (!connection_) return;
    if (auto there = look_again(); !there) lose(there.error().message);
  } else if (const auto* blocked = std::get_if<amqp::Blocked>(&event)) {
    patient_since_ = Clock::now();
    log(LogLevel::kWarn, "mirror", blocked->blocked ? "broker_blocked" : "broker_unblocked", {});
  }
}

void Publisher::refuse(std::string_view event, const std::string& reason) {
  if (!refusal_.due()) return;
  int wait_ms = refusal_.next_ms();
  log(LogLevel::kWarn, "mirror", event, {{"reason", reason}, {"retry_ms", wait_ms}});
  // In RabbitMQ 3.10 a channel keeps "the queue is full" even after the limit was lifted (observed): only a new channel
  // asks again.
  if (refusal_.at_cap()) lose("it goes on refusing: a new connection may see more");
}

void Publisher::check_patience() {
  if (!connection_ || window_.size() == 0 || connection_->blocked()) return;
  if (Clock::now() - std::max(window_.oldest(), patient_since_) > kConfirmPatience)
    lose("a publish was not answered for 30 s");
}

void Publisher::lose(const std::string& reason) {
  if (!connection_) return;
  connection_.reset();
  window_.clear(undelivered_);
  int wait_ms = reconnect_.next_ms();
  if (told_.lost(reason)) log(LogLevel::kWarn, "mirror", "broker_lost", {{"error", reason}, {"retry_ms", wait_ms}});
}

}  // namespace flashclaim::mirror
