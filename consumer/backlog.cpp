// Passive declarations: the one way to ask for a depth without RabbitMQ's management plugin.
#include "consumer/backlog.h"

#include <chrono>
#include <string>
#include <vector>

#include "engine/amqp/topology.h"
#include "engine/base/backoff.h"
#include "engine/base/log.h"
#include "engine/base/try.h"

namespace flashclaim::consumer {
namespace {

constexpr int kLookEveryMs = 1000;

}  // namespace

Backlog::Backlog(const Options& options, Metrics& metrics, Health& health, const Stop& stop)
    : options_(options),
      metrics_(metrics),
      health_(health),
      stop_(stop),
      rights_(options.amqp_url, options.name, amqp::User::kConsumer) {}

void Backlog::run() {
  Backoff backoff(options_.backoff_first_ms, options_.backoff_max_ms);
  while (!stop_.told()) {
    const bool looked = look().has_value();
    if (looked) backoff.reset();
    stop_.wait_for(std::chrono::milliseconds(looked ? kLookEveryMs : backoff.next_ms()));
  }
}

// When the broker is away, the workers log it; here the numbers only become old.
Result<void> Backlog::look() {
  if (!connection_ || !connection_->open()) {
    amqp::Options wanted;
    wanted.name = options_.name + "-backlog";
    connection_ = TRY(amqp::Connection::open(options_.amqp_url, wanted));
    rights_.ask_again();
  }
  if (auto polled = connection_->poll(0); !polled) return polled.error();  // heartbeats
  for (const std::string& queue : amqp::queue_names()) {
    auto depth = TRY(connection_->queue_depth(queue));
    metrics_.queue_depth(queue, depth);
  }
  look_at_rights();
  return {};
}

void Backlog::look_at_rights() {
  if (!rights_.look_if_due()) return;
  health_.rabbitmq_denied.set(rights_.denied());
  if (!rights_.denied().empty())
    log(LogLevel::kError, "consumer", "rights_missing",
        {{"error", amqp::rights_text(amqp::User::kConsumer, rights_.denied())}});
}

}  // namespace flashclaim::consumer
