// One message at a time on a connection in confirm mode; any doubt closes the connection.
#include "consumer/confirmed_publisher.h"

#include <chrono>

#include "engine/amqp/confirmed_publish.h"
#include "engine/amqp/topology.h"
#include "engine/base/try.h"

namespace flashclaim::consumer {
namespace {

constexpr std::chrono::seconds kConfirmDeadline{5};

}  // namespace

ConfirmedPublisher::ConfirmedPublisher(std::string amqp_url, std::string name)
    : amqp_url_(std::move(amqp_url)), name_(std::move(name)) {}

Result<void> ConfirmedPublisher::connect() {
  amqp::Options options;
  options.name = name_;
  connection_ = TRY(amqp::Connection::open(amqp_url_, options));
  TRY(amqp::need_topology(*connection_));
  return connection_->enable_confirms();
}

Result<void> ConfirmedPublisher::publish(const amqp::Publication& message) {
  if (!connection_ || !connection_->open()) {
    if (auto ready = connect(); !ready) {
      close();
      return ready;
    }
  }
  const auto published = amqp::publish_confirmed(*connection_, {&message, 1},
                                                 {.deadline = kConfirmDeadline, .sent_point = "consumer.publish.sent"});
  Result<void> held;
  if (!published) {
    held = published.error();
  } else if (!published->front().empty()) {
    held = failure("the message is not in a queue: " + published->front());
  }
  if (!held) close();
  return held;
}

}  // namespace flashclaim::consumer
