// A deadline for calls of libpq, which has none: when a call takes too long, its socket is shut down.
#pragma once

#include <chrono>

namespace flashclaim::postgres {

/// While it lives, one thread of the process shuts `socket` down once `patience` is over (checked every 200 ms): the
/// blocked call ends as a lost connection. For a server that accepts and never answers (stopped, or packets are
/// dropped). The socket must stay open for as long as the watch lives. Any thread.
class DeadlineWatch {
 public:
  DeadlineWatch(int socket, std::chrono::milliseconds patience);
  ~DeadlineWatch();
  DeadlineWatch(const DeadlineWatch&) = delete;
  DeadlineWatch& operator=(const DeadlineWatch&) = delete;

  struct Call {
    int socket;
    std::chrono::steady_clock::time_point end;
  };

 private:
  Call call_;
};

}  // namespace flashclaim::postgres
