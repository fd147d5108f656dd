// Uses a connection of its own with a passive declare, and tries again when it fails.
#include "engine/mirror/queue_watch.h"

#include "engine/amqp/topology.h"
#include "engine/base/log.h"
#include "engine/base/try.h"

namespace flashclaim::mirror {
namespace {

constexpr int kDeadlineMs = 1000;

}  // namespace

QueueWatch::QueueWatch(std::string amqp_url, std::string name)
    : amqp_url_(std::move(amqp_url)), name_(std::move(name)) {}

std::optional<amqp::QueueState> QueueWatch::ask() {
  if (!backoff_.due()) return std::nullopt;
  auto state = try_to_ask();
  if (state) {
    backoff_.reset();
    return *state;
  }
  if (connection_ && !connection_->open()) connection_.reset();
  if (backoff_.fresh()) log(LogLevel::kWarn, "mirror", "queue_not_seen", {{"error", state.error().message}});
  backoff_.next_ms();
  return std::nullopt;
}

Result<amqp::QueueState> QueueWatch::try_to_ask() {
  // The connection was idle since the last question: answer its heartbeats first.
  if (connection_ && !connection_->poll(0)) connection_.reset();
  if (!connection_) {
    connection_ = TRY(amqp::Connection::open(
        amqp_url_, {.name = "flashclaim-mirror " + name_ + " watch", .deadline_ms = kDeadlineMs}));
  }
  return connection_->queue_state(amqp::kQueue);
}

}  // namespace flashclaim::mirror
