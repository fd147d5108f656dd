// One thread watches all sessions of the process; the first call starts it.
#include "engine/postgres/deadline.h"

#include <sys/socket.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace flashclaim::postgres {
namespace {

class Watcher {
 public:
  static Watcher& shared() {
    static Watcher watcher;
    return watcher;
  }
  ~Watcher() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void add(DeadlineWatch::Call& call) {
    std::lock_guard lock(mutex_);
    if (calls_.empty()) changed_.notify_all();
    calls_.insert(&call);
  }
  void remove(DeadlineWatch::Call& call) {
    std::lock_guard lock(mutex_);
    calls_.erase(&call);
  }

 private:
  Watcher() : thread_([this] { watch(); }) {}

  void watch() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (calls_.empty())
        changed_.wait(lock);
      else
        changed_.wait_for(lock, std::chrono::milliseconds(200));
      const auto now = std::chrono::steady_clock::now();
      // Under the lock: while we use its file descriptor, the caller cannot end its watch, and so cannot close it.
      for (const DeadlineWatch::Call* call : calls_)
        if (now >= call->end) shutdown(call->socket, SHUT_RDWR);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<DeadlineWatch::Call*> calls_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace

DeadlineWatch::DeadlineWatch(int socket, std::chrono::milliseconds patience)
    : call_{socket, std::chrono::steady_clock::now() + patience} {
  Watcher::shared().add(call_);
}

DeadlineWatch::~DeadlineWatch() { Watcher::shared().remove(call_); }

}  // namespace flashclaim::postgres
