// One message at a time on a connection in confirm mode; any doubt closes the connection.
#include "consumer/confirmed_publisher.h"

#include <chrono>

#include "engine/amqp/topology.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"

namespace flashclaim::consumer {
namespace {

constexpr std::chrono::seconds kConfirmDeadline{5};
constexpr int kPollMs = 100;

}  // namespace

ConfirmedPublisher::ConfirmedPublisher(std::string amqp_url, std::string name)
    : amqp_url_(std::move(amqp_url)), name_(std::move(name)) {}

Result<void> ConfirmedPublisher::connect() {
  amqp::Options options;
  options.name = name_;
  auto opened = TRY(amqp::Connection::open(amqp_url_, options));
  connection_ = std::move(opened);
  if (auto declared = amqp::need_topology(*connection_); !declared) return declared;
  return connection_->enable_confirms();
}

Result<void> ConfirmedPublisher::publish(const amqp::Publication& message) {
  if (!connection_ || !connection_->open()) {
    if (auto ready = connect(); !ready) {
      close();
      return ready;
    }
  }
  auto sequence = connection_->publish(message);
  if (sequence) test_point("consumer.publish.sent");
  Result<void> confirmed = sequence ? await_confirm(*sequence) : Result<void>(sequence.error());
  if (!confirmed) close();
  return confirmed;
}

Result<void> ConfirmedPublisher::await_confirm(std::uint64_t sequence) {
  const auto deadline = std::chrono::steady_clock::now() + kConfirmDeadline;
  std::string returned;
  while (std::chrono::steady_clock::now() < deadline) {
    auto event = connection_->poll(kPollMs);
    if (!event) return unknown(event.error().message);
    if (!event->has_value()) continue;
    if (const auto* back = std::get_if<amqp::Returned>(&**event)) returned = back->reply;
    const auto* answer = std::get_if<amqp::Confirmed>(&**event);
    if (answer == nullptr || answer->sequence < sequence) continue;
    if (!answer->ack) return failure("RabbitMQ refused the message");
    if (!returned.empty()) return failure("no queue took the message: " + returned);
    return {};
  }
  return unknown(connection_->blocked() ? "RabbitMQ has an alarm and takes no messages" : "no confirm from RabbitMQ");
}

}  // namespace flashclaim::consumer
