// What a consumer process knows of its services, for /readyz.
#pragma once

#include <atomic>
#include <cstdint>

namespace flashclaim::consumer {

/// Written by workers and mender, read by the admin listener; any thread.
struct Health {
  std::atomic<int> subscribed{0};  ///< workers that are connected to RabbitMQ and consuming
  std::atomic<int> held{0};        ///< workers whose batch waits for a service
  std::atomic<bool> redis{false};  ///< these four as of the mender's last look
  std::atomic<bool> library{false};
  std::atomic<bool> postgres{false};
  std::atomic<bool> schema{false};
};

}  // namespace flashclaim::consumer
