// The worker's connection to the queue: its subscription, the deliveries at hand, and their acknowledgement.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "consumer/options.h"
#include "consumer/stop.h"
#include "engine/amqp/connection.h"
#include "engine/base/result.h"

namespace flashclaim::consumer {

/// One thread. It only consumes; publishes go over a ConfirmedPublisher's connection, because a broker with an alarm
/// stops reading from a connection that has published, also its acknowledgements.
///
/// After a failed call connected() is false, and every delivery that was not acknowledged will come again: the owner
/// drops the deliveries that it holds and calls connect().
class Subscription {
 public:
  /// `options` and `stop` must outlive it.
  Subscription(const Options& options, std::string name, const Stop& stop);

  /// Connects, checks that the queues exist, and subscribes. Drops the deliveries at hand.
  Result<void> connect();
  [[nodiscard]] bool connected() const { return connection_ && connection_->open() && !cancelled_; }

  /// Waits up to `timeout_ms` for a delivery, not at all when there is one. Then takes what has arrived already.
  Result<void> wait_for_delivery(int timeout_ms);
  /// Takes in deliveries and answers heartbeats for `delay_ms`: the way to wait while a batch is held. Ends early when
  /// the stop flag is set.
  Result<void> pump_for(int delay_ms);

  /// Subscribes again, on the same connection, after options.quiet_ms without a delivery: RabbitMQ 3.10 forgets a
  /// subscription whose queue is deleted and at once declared again, and then delivers nothing to it.
  /// Precondition: every delivery is acknowledged.
  Result<void> renew_if_quiet();

  [[nodiscard]] bool empty() const { return inbox_.empty(); }
  /// Precondition: !empty().
  amqp::Delivery take();

  /// Acknowledges every delivery up to and including `delivery_tag`.
  Result<void> ack_through(std::uint64_t delivery_tag);
  /// Stops deliveries, sends what is unsent, closes. The broker delivers what was not acknowledged to another consumer.
  void close();

 private:
  Result<void> subscribe();
  Result<void> absorb(int timeout_ms, bool& arrived);
  Error lose(Error error);

  const Options& options_;
  std::string name_;
  const Stop& stop_;
  std::unique_ptr<amqp::Connection> connection_;
  std::string consumer_tag_;
  int subscriptions_ = 0;
  std::int64_t heard_ms_ = 0;  ///< when the last delivery came, or the subscription began
  bool cancelled_ = false;
  std::deque<amqp::Delivery> inbox_;
};

}  // namespace flashclaim::consumer
