// What a consumer process knows of its services, for /readyz.
#pragma once

#include <atomic>
#include <cstdint>

#include "consumer/reason.h"

namespace flashclaim::consumer {

/// Written by workers and mender, read by the admin listener; any thread.
struct Health {
  std::atomic<int> subscribed{0};  ///< workers that are connected to RabbitMQ and consuming
  std::atomic<int> held{0};        ///< workers whose batch waits for a service
  std::atomic<bool> redis{false};  ///< it answers and takes writes; these four as of the mender's last look
  std::atomic<bool> library{false};
  std::atomic<bool> postgres{false};  ///< it answers and takes writes
  std::atomic<bool> schema{false};
  Reason redis_why;  ///< of the last look that found it away
  Reason postgres_why;
  std::atomic<bool> rights{false};         ///< its logins may do its work
  std::atomic<bool> rights_denied{false};  ///< one may not; else it is not known yet, or no more
};

}  // namespace flashclaim::consumer
