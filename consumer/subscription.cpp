// One consuming AMQP connection; the prefetch bounds the inbox.
#include "consumer/subscription.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>

#include "engine/amqp/topology.h"
#include "engine/base/log.h"
#include "engine/base/try.h"
#include "engine/mirror/message.h"

namespace flashclaim::consumer {
namespace {

constexpr int kSliceMs = 100;  // how late a waiting call may see the stop flag

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Subscription::Subscription(const Options& options, std::string name, const Stop& stop)
    : options_(options), name_(std::move(name)), stop_(stop) {}

Result<void> Subscription::connect() {
  inbox_.clear();
  cancelled_ = false;
  connection_.reset();
  amqp::Options amqp_options;
  amqp_options.name = name_;
  amqp_options.body_max = mirror::kBodyMax;
  connection_ = TRY(amqp::Connection::open(options_.amqp_url, amqp_options));
  if (auto declared = amqp::need_topology(*connection_); !declared) return lose(declared.error());
  return subscribe();
}

Result<void> Subscription::subscribe() {
  heard_ms_ = now_ms();
  // A tag is never used twice: a quorum queue of RabbitMQ 3.10 may leave a renewed subscription without deliveries.
  consumer_tag_ = fmt::format("{}-{}-{}", name_, heard_ms_, ++subscriptions_);
  if (auto consuming = connection_->consume(amqp::kQueue, consumer_tag_, options_.prefetch); !consuming)
    return lose(consuming.error());
  return {};
}

// A new channel, because RabbitMQ redelivers what a forgotten subscription holds only when the old channel closes.
Result<void> Subscription::renew_if_quiet() {
  if (now_ms() - heard_ms_ < options_.quiet_ms) return {};
  if (auto renewed = connection_->renew_channel(); !renewed) return lose(renewed.error());
  return subscribe();
}

// Handles one event, if one comes within timeout_ms.
Result<void> Subscription::absorb(int timeout_ms, bool& arrived) {
  arrived = false;
  if (!connected()) return failure("not connected to RabbitMQ");
  auto event = connection_->poll(timeout_ms);
  if (!event) return lose(event.error());
  if (!event->has_value()) return {};
  arrived = true;
  if (auto* delivery = std::get_if<amqp::Delivery>(&**event)) {
    heard_ms_ = now_ms();
    inbox_.push_back(std::move(*delivery));
  } else if (std::get_if<amqp::Cancelled>(&**event) != nullptr) {
    cancelled_ = true;
    return lose(failure("RabbitMQ ended the subscription: the queue was deleted, or lost its leader"));
  }
  return {};
}

Result<void> Subscription::wait_for_delivery(int timeout_ms) {
  const std::int64_t deadline = now_ms() + timeout_ms;
  bool arrived = false;
  while (inbox_.empty() && !stop_.told()) {
    const std::int64_t left = deadline - now_ms();
    if (left <= 0) return {};
    TRY(absorb(static_cast<int>(std::min<std::int64_t>(left, kSliceMs)), arrived));
  }
  do {
    TRY(absorb(0, arrived));
  } while (arrived);
  return {};
}

Result<void> Subscription::pump_for(int delay_ms) {
  const std::int64_t deadline = now_ms() + delay_ms;
  bool arrived = false;
  while (!stop_.told()) {
    const std::int64_t left = deadline - now_ms();
    if (left <= 0) return {};
    TRY(absorb(static_cast<int>(std::min<std::int64_t>(left, kSliceMs)), arrived));
  }
  return {};
}

amqp::Delivery Subscription::take() {
  amqp::Delivery delivery = std::move(inbox_.front());
  inbox_.pop_front();
  return delivery;
}

Result<void> Subscription::ack_through(std::uint64_t delivery_tag) {
  if (!connected()) return failure("not connected to RabbitMQ");
  if (auto acked = connection_->ack(delivery_tag, true); !acked) return lose(acked.error());
  return {};
}

void Subscription::close() {
  if (connected() && connection_->cancel(consumer_tag_)) (void)connection_->flush();
  connection_.reset();
  inbox_.clear();
}

Error Subscription::lose(Error error) {
  connection_.reset();
  inbox_.clear();
  return error;
}

}  // namespace flashclaim::consumer
