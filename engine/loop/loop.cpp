// Every C callback is a noexcept trampoline into the handle's std::function.
#include "engine/loop/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cassert>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <vector>

#include "engine/base/log.h"

namespace flashclaim::loop {
namespace {

timeval to_timeval(std::int64_t ms) { return {ms / 1000, static_cast<suseconds_t>(ms % 1000) * 1000}; }

void trampoline(evutil_socket_t, short, void* callback) noexcept { (*static_cast<Callback*>(callback))(); }

}  // namespace

std::int64_t now_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

/// The tasks of other threads, and the descriptor that wakes the loop for them.
struct Loop::Inbox {
  event_base* base = event_base_new();
  int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  event* wake_event = nullptr;
  std::mutex mutex;
  std::vector<std::function<void()>> tasks;
  bool stopping = false;

  void wake() const {
    std::uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(wake_fd, &one, sizeof one);  // full counter: the loop is awake already
  }

  static void on_wake(evutil_socket_t fd, short, void* self) noexcept {
    std::uint64_t count;
    [[maybe_unused]] ssize_t got = read(fd, &count, sizeof count);
    static_cast<Inbox*>(self)->run_tasks();
  }

  void run_tasks() {
    std::vector<std::function<void()>> ready;
    bool stop;
    {
      std::lock_guard lock(mutex);
      ready.swap(tasks);
      stop = stopping;
    }
    for (auto& task : ready) task();
    if (stop) event_base_loopbreak(base);
  }
};

Loop::Loop() : inbox_(std::make_unique<Inbox>()) {
  if (!inbox_->base || inbox_->wake_fd < 0) {
    log(LogLevel::kError, "loop", "cannot_create", {{"reason", "out of memory or file descriptors"}});
    std::abort();
  }
  inbox_->wake_event = event_new(inbox_->base, inbox_->wake_fd, EV_READ | EV_PERSIST, Inbox::on_wake, inbox_.get());
  event_add(inbox_->wake_event, nullptr);
}

Loop::~Loop() {
  event_free(inbox_->wake_event);
  close(inbox_->wake_fd);
  event_base_free(inbox_->base);
}

void Loop::run() { event_base_loop(inbox_->base, EVLOOP_NO_EXIT_ON_EMPTY); }

void Loop::stop() {
  {
    std::lock_guard lock(inbox_->mutex);
    inbox_->stopping = true;
  }
  inbox_->wake();
}

void Loop::post(std::function<void()> task) {
  {
    std::lock_guard lock(inbox_->mutex);
    inbox_->tasks.push_back(std::move(task));
  }
  inbox_->wake();
}

event_base* Loop::base() const { return inbox_->base; }

Handle::Handle(Loop& loop, Callback callback)
    : loop_(loop), callback_(std::move(callback)), event_(static_cast<event*>(calloc(1, sizeof(event)))) {
  assert(event_);
}

Handle::~Handle() {
  if (event_initialized(event_)) event_del(event_);
  free(event_);
}

Timer::Timer(Loop& loop, Callback callback) : Handle(loop, std::move(callback)) {}

void Timer::arm(std::int64_t delay_ms, short flags) {
  stop();
  event_assign(event_, loop_.base(), -1, flags, trampoline, &callback_);
  timeval delay = to_timeval(delay_ms);
  event_add(event_, &delay);
}
void Timer::start_ms(std::int64_t delay_ms) { arm(delay_ms, 0); }
void Timer::every_ms(std::int64_t period_ms) { arm(period_ms, EV_PERSIST); }
void Timer::stop() {
  if (event_initialized(event_)) event_del(event_);
}

EndOfTurn::EndOfTurn(Loop& loop, Callback callback) : Handle(loop, std::move(callback)) {
  event_assign(event_, loop_.base(), -1, 0, trampoline, &callback_);
}
// libevent runs active events in order of activation: this one comes after all that were ready before it.
void EndOfTurn::schedule() { event_active(event_, EV_TIMEOUT, 0); }

FdEvent::FdEvent(Loop& loop, Kind kind, Callback callback) : Handle(loop, std::move(callback)), kind_(kind) {}

void FdEvent::watch(int fd) {
  assert(!active_);
  short what = kind_ == Kind::kRead ? EV_READ : EV_WRITE;
  event_assign(event_, loop_.base(), fd, static_cast<short>(what | EV_PERSIST), trampoline, &callback_);
  assigned_ = true;
  resume();
}
void FdEvent::pause() {
  if (!active_) return;
  event_del(event_);
  active_ = false;
}
void FdEvent::resume() {
  if (active_ || !assigned_) return;
  event_add(event_, nullptr);
  active_ = true;
}
void FdEvent::forget() {
  pause();
  assigned_ = false;
}

Signal::Signal(Loop& loop, int number, Callback callback) : Handle(loop, std::move(callback)) {
  event_assign(event_, loop_.base(), number, EV_SIGNAL | EV_PERSIST, trampoline, &callback_);
  event_add(event_, nullptr);
}

}  // namespace flashclaim::loop
