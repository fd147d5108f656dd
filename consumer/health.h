// The state of a consumer process' services, for /readyz.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/base/reason.h"

namespace flashclaim::consumer {

/// Written by workers and reconciler, read by the admin listener; any thread.
struct Health {
  std::atomic<int> subscribed{0};  ///< workers that are connected to RabbitMQ and consuming
  std::atomic<int> held{0};        ///< workers whose batch waits for a service
  std::atomic<bool> redis{false};  ///< it answers and takes writes; this and the next three: the reconciler's last look
  std::atomic<bool> library{false};
  std::atomic<bool> postgres{false};  ///< it answers and takes writes
  std::atomic<bool> schema{false};
  Reason redis_why;  ///< of the last look that found Redis away
  Reason postgres_why;
  std::atomic<bool> rights{false};  ///< its logins at Redis and PostgreSQL may do its work
  Reason rights_why;                ///< of the last look that found otherwise
  Reason rabbitmq_why;              ///< of the last worker that could not subscribe
  Reason rabbitmq_denied{""};       ///< what the login there may not publish, in words; "": no missing right is known
};

}  // namespace flashclaim::consumer
