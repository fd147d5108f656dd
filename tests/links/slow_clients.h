// Thousands of clients that are no clients: idle, or dripping headers or a body that never end, a byte a second.
#pragma once

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace flashclaim::links {

enum class SlowKind { kIdle, kHeaders, kBody };

/// One thread of its own inside. A connection that the server closes is counted and not made again.
class SlowClients {
 public:
  /// How many this process may have: its soft limit of descriptors becomes its hard one (`ulimit -Hn`).
  static int most();
  /// Connects `count` clients, a third of each kind; throws std::runtime_error when one cannot connect.
  SlowClients(int port, int count);
  ~SlowClients();
  SlowClients(const SlowClients&) = delete;
  SlowClients& operator=(const SlowClients&) = delete;

  [[nodiscard]] int open(SlowKind kind) const { return open_[static_cast<std::size_t>(kind)].load(); }

 private:
  struct Client {
    int fd;
    SlowKind kind;
  };
  void live();
  void drip();
  void take_ends(int epoll);

  std::vector<Client> clients_;
  std::array<std::atomic<int>, 3> open_{};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace flashclaim::links
