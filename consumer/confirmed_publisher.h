// Confirmed publishing of the few messages that a consumer sends: to the retry queues and to the DLQ.
#pragma once

#include <memory>
#include <string>

#include "engine/amqp/connection.h"
#include "engine/base/result.h"

namespace flashclaim::consumer {

/// One thread. The connection is made when first needed and closed by close(). Between two publishes nothing is read
/// from it.
class ConfirmedPublisher {
 public:
  ConfirmedPublisher(std::string amqp_url, std::string name);

  /// Success: the broker holds the message on disk, in a queue. Anything else (no connection, returned, refused, no
  /// confirm in time) is an error; it is *unknown* when the broker may have stored the message. Then publish again: a
  /// second copy does no harm.
  Result<void> publish(const amqp::Publication& message);
  void close() { connection_.reset(); }

 private:
  Result<void> connect();

  std::string amqp_url_;
  std::string name_;
  std::unique_ptr<amqp::Connection> connection_;
};

}  // namespace flashclaim::consumer
