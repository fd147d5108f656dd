// A TCP proxy inside the test that can go silent: it keeps both sides open and moves no byte any more.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace flashclaim::test {

/// Listens on a free loopback port and forwards to 127.0.0.1:target_port. Everything ends with the object.
class SilentProxy {
 public:
  explicit SilentProxy(int target_port);
  ~SilentProxy();
  SilentProxy(const SilentProxy&) = delete;
  SilentProxy& operator=(const SilentProxy&) = delete;

  [[nodiscard]] int port() const { return port_; }
  /// From now on nothing is read from either side of any connection, and nobody is told.
  void silence() { silent_ = true; }
  void speak() { silent_ = false; }
  /// Closes what is open; new connections are served.
  void cut();
  /// Bytes forwarded towards the target.
  [[nodiscard]] std::size_t forwarded() const { return forwarded_; }

 private:
  struct Pair {
    int client = -1;
    int target = -1;
  };
  void run();
  void accept_one();
  bool forward(int from, int to, bool towards_target);

  int target_port_;
  int port_ = 0;
  int listener_ = -1;
  std::atomic<bool> silent_ = false;
  std::atomic<bool> cut_ = false;
  std::atomic<bool> stop_ = false;
  std::atomic<std::size_t> forwarded_ = 0;
  std::vector<Pair> pairs_;  // the thread's own
  std::thread thread_;
};

}  // namespace flashclaim::test
