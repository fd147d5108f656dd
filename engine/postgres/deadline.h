// A deadline for calls of libpq, which has none: the socket of a call that takes too long is shut down under it.
#pragma once

#include <chrono>

namespace flashclaim::postgres {

/// While it lives, the process' one watching thread shuts `socket` down once `patience` is over (checked every 200 ms):
/// the blocked call ends as a lost connection. For a server that accepts and never answers (stopped, or behind a black
/// hole). The socket must stay open for as long as the watch lives. Any thread.
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
