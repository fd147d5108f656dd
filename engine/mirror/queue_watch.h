// Asks the broker how many messages wait in the queue, when the mirror must know whether some are gone.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/amqp/connection.h"
#include "engine/base/backoff.h"

namespace flashclaim::mirror {

/// One thread. Has a connection of its own that never publishes: a broker with an alarm does not read from connections
/// that publish. The connection is made at the first ask() and lives until close().
class QueueWatch {
 public:
  QueueWatch(std::string amqp_url, std::string name);

  /// Counts of ready messages and of consumers of the main queue; takes at most about a second. nullopt: no answer, or
  /// not asked because the last try failed a moment ago.
  std::optional<amqp::QueueState> ask();
  void close() { connection_.reset(); }

 private:
  Result<amqp::QueueState> try_to_ask();

  std::string amqp_url_;
  std::string name_;
  std::unique_ptr<amqp::Connection> connection_;
  Backoff backoff_{1000, 30000};
};

}  // namespace flashclaim::mirror
