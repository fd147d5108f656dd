// RAII handles over libevent: the loop of one thread, and what can be waited for on it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

struct event;
struct event_base;

namespace flashclaim::loop {

/// One thread runs one Loop; everything made on it belongs to that thread. Only post() and stop() may be called from
/// others. Handles (Timer, FdEvent ...) must be destroyed before their Loop, in its thread or after run() returned.
/// No callback may throw.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Returns after stop(). Tasks posted before stop() have run by then.
  void run();
  /// Any thread, any number of times; also before run(), which then returns at once.
  void stop();
  /// Any thread: runs the task in the loop's thread, in order. Takes a lock: never on the path of a claim.
  void post(std::function<void()> task);

  [[nodiscard]] event_base* base() const;

 private:
  struct Inbox;
  std::unique_ptr<Inbox> inbox_;
};

/// Monotonic clock, for deadlines and durations.
std::int64_t now_us();
inline std::int64_t now_ms() { return now_us() / 1000; }

using Callback = std::function<void()>;

/// A libevent event and its callback. The base of the handles below.
class Handle {
 public:
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

 protected:
  Handle(Loop& loop, Callback callback);
  ~Handle();

  Loop& loop_;
  Callback callback_;
  event* event_;
};

/// Fires after a delay, once or repeatedly.
class Timer : Handle {
 public:
  Timer(Loop& loop, Callback callback);
  void start_ms(std::int64_t delay_ms);  ///< once; starting again moves it
  void every_ms(std::int64_t period_ms);
  void stop();

 private:
  void arm(std::int64_t delay_ms, short flags);
};

/// Fires once at the end of the loop's turn in which it was scheduled, after the callbacks that were ready by then:
/// what a turn has gathered is sent in one go. Scheduling it twice in a turn is the same as once.
class EndOfTurn : Handle {
 public:
  EndOfTurn(Loop& loop, Callback callback);
  void schedule();
};

/// Fires whenever a descriptor is readable, or writable, until paused. Never owns the descriptor.
class FdEvent : Handle {
 public:
  enum class Kind { kRead, kWrite };
  FdEvent(Loop& loop, Kind kind, Callback callback);
  void watch(int fd);  ///< must not be watching already
  void pause();
  void resume();
  void forget();  ///< before the descriptor is closed
  [[nodiscard]] bool active() const { return active_; }
  [[nodiscard]] bool assigned() const { return assigned_; }

 private:
  Kind kind_;
  bool assigned_ = false;
  bool active_ = false;
};

/// A POSIX signal, delivered in the loop's thread. One Loop of the process may hold these.
class Signal : Handle {
 public:
  Signal(Loop& loop, int number, Callback callback);
};

}  // namespace flashclaim::loop
