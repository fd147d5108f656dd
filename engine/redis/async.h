// The Redis client of one loop: commands with deadlines and bounds over a link, and one rule: what was sent and not
// answered is unknown, and is never sent again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/counter.h"
#include "engine/base/result.h"
#include "engine/redis/client.h"

namespace flashclaim::loop {
class Loop;
}

namespace flashclaim::redis {

/// Waits for the answer to one command. Owned by the caller; must live until one of the two was called: exactly one is,
/// exactly once, in the loop's thread, never from inside send().
class Call {
 public:
  /// The view is valid inside this call only.
  virtual void answered(const ReplyView& reply) noexcept = 0;
  /// The command was sent and its answer is lost (deadline, connection): it may have been carried out.
  virtual void lost() noexcept = 0;

 protected:
  ~Call() = default;
};

enum class Sent {
  kYes,
  kDisconnected,  ///< nothing was sent
  kFull,          ///< nothing was sent: a bound was reached
};

struct AsyncOptions {
  const char* name = "claims";  ///< in the log
  int deadline_ms = 3000;       ///< for the answer to a command; then the connection is given up
  int connect_ms = 2000;        ///< to connect, authenticate and be told that the data set is loaded
  int backoff_min_ms = 50;      ///< doubles up to the maximum, jittered
  int backoff_max_ms = 2000;
  std::size_t commands_max = 4096;
  std::size_t bytes_max = 8 << 20;  ///< not yet written to the socket
};

/// Written by the loop's thread only, read by any.
struct AsyncCounters {
  Counter commands;
  Counter lost;
  Counter full;
  Counter connects;
  Counter disconnects;
  std::atomic<bool> ready{false};
};

class AsyncClient {
 public:
  /// `redis_url`: as in endpoint.h. A host name is resolved here, blocking, and again beside the loop for each
  /// connection; an error is a URL that cannot be used. Connecting starts when the loop runs and goes
  /// on for ever. A server that is no primary is as good as none: asked at the beginning, once a second, and by each
  /// answer that is about the session (role.h); such a connection is left when all that it owes was answered.
  static Result<std::unique_ptr<AsyncClient>> create(loop::Loop& loop, const std::string& redis_url,
                                                     const AsyncOptions& options = {});
  /// Calls in flight are told `lost`.
  ~AsyncClient();
  AsyncClient(const AsyncClient&) = delete;
  AsyncClient& operator=(const AsyncClient&) = delete;

  /// `command` is RESP, copied. Replies come in the order of sending.
  [[nodiscard]] Sent send(std::string_view command, Call& call);
  [[nodiscard]] bool ready() const;
  [[nodiscard]] std::size_t in_flight() const;
  [[nodiscard]] const AsyncCounters& counters() const;
  /// Why there is no connection, or was none the last time; "" when it never was missed. The loop's thread.
  [[nodiscard]] const std::string& trouble() const;
  /// Called in the loop's thread when a connection is left because it leads to the wrong server: others lead there too.
  void when_left(std::function<void()> call);

 private:
  struct State;
  explicit AsyncClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim::redis
