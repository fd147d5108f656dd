// Publishing and waiting for the broker's word: the one place, for whoever publishes a few messages at a time. (The
// mirror keeps a window of thousands in flight: engine/mirror/window.h.)
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/amqp/connection.h"
#include "engine/base/result.h"

namespace flashclaim::amqp {

struct ConfirmOptions {
  std::chrono::milliseconds deadline{10'000};  ///< for all confirms together
  std::function<bool()> interrupted = {};      ///< may be empty; true ends the waiting as the deadline does
  const char* sent_point = nullptr;            ///< a test point that is passed after each publish (test_point.h)
};

/// Publishes all and waits until each is answered. result[i]: "" where the broker holds messages[i] on disk, in a
/// queue; else why not (no queue took it, it was refused). *Unknown* where a confirm did not come: each may be stored;
/// close the connection, and publish again (a second copy does no harm). At most a few hundred at a time.
/// Precondition: confirm mode, and no other publish of this connection is unconfirmed. Blocks the calling thread, which
/// owns the connection; deliveries that come meanwhile are dropped: not for a connection that consumes.
Result<std::vector<std::string>> publish_confirmed(Connection& connection, std::span<const Publication> messages,
                                                   const ConfirmOptions& options = {});

}  // namespace flashclaim::amqp
