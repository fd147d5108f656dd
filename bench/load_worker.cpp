// The schedule decides when a claim is due; a free connection decides when it is sent.
#include "bench/load_worker.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>

#include "bench/arrivals.h"
#include "bench/http_client.h"
#include "engine/loop/loop.h"

namespace flashclaim::bench {
namespace {

/// Claims that become due within it go out together: waking for each of 40,000 a second would cost more than sending
/// it.
constexpr std::int64_t kQuantumUs = 100;
constexpr std::int64_t kTickMs = 50;
constexpr std::int64_t kMicros = 1'000'000;

/// A timer by the microsecond (the loop's own has milliseconds).
class PreciseTimer {
 public:
  PreciseTimer(loop::Loop& loop, loop::Callback callback)
      : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
        callback_(std::move(callback)),
        readable_(loop, loop::FdEvent::Kind::kRead, [this] { fired(); }) {
    assert(fd_ >= 0);
    readable_.watch(fd_);
  }
  ~PreciseTimer() {
    readable_.forget();
    close(fd_);
  }
  PreciseTimer(const PreciseTimer&) = delete;
  PreciseTimer& operator=(const PreciseTimer&) = delete;

  /// At that moment of the monotonic clock; setting it again moves it.
  void at_us(std::int64_t moment) const {
    itimerspec when{};
    when.it_value = {moment / kMicros, moment % kMicros * 1000};
    timerfd_settime(fd_, TFD_TIMER_ABSTIME, &when, nullptr);
  }

 private:
  void fired() const {
    std::uint64_t expirations;
    if (read(fd_, &expirations, sizeof expirations) > 0) callback_();
  }
  int fd_;
  loop::Callback callback_;
  loop::FdEvent readable_;
};

/// A well-mixed number for each index: repeated users in an order that every run repeats.
std::uint64_t mixed(std::uint64_t index) {
  std::uint64_t z = (index + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

struct InFlight {
  std::int64_t due_us = 0;  ///< after the start, as all times here
  std::int64_t sent_us = 0;
  std::int64_t coupon_id = 0;
  std::int64_t user_id = 0;
  bool busy = false;
};

HttpClientOptions client_options(const LoadPlan& plan, int number) {
  HttpClientOptions options;
  options.address = plan.address;
  options.connections = plan.connections / plan.threads + (number < plan.connections % plan.threads ? 1 : 0);
  options.pipeline = plan.pipeline;
  options.deadline_ms = plan.deadline_ms;
  return options;
}

}  // namespace

struct LoadWorker::State {
  State(const LoadPlan& load_plan, int worker_number, std::function<void()> on_connected)
      : plan(load_plan),
        number(worker_number),
        connected(std::move(on_connected)),
        options(client_options(plan, number)),
        arrivals(std::max(plan.rate, 1e-6), plan.warmup_s + plan.seconds),
        schedule_us(static_cast<std::int64_t>((plan.warmup_s + plan.seconds) * 1e6)),
        warmup_us(static_cast<std::int64_t>(plan.warmup_s * 1e6)),
        flying(static_cast<std::size_t>(options.connections) * static_cast<std::size_t>(options.pipeline)),
        precise(loop, [this] { pump(); }),
        tick_timer(loop, [this] { tick(); }),
        client(
            loop, options, [this](std::uint64_t tag, const Response& response) { ended(flying[tag], tag, response); },
            [this] { ready(); }) {
    for (std::size_t slot = flying.size(); slot-- > 0;) free_slots.push_back(slot);
    report.timeline.resize(static_cast<std::size_t>(schedule_us / kMicros + 1));
  }

  [[nodiscard]] bool open_loop() const { return plan.rate > 0; }
  [[nodiscard]] std::int64_t elapsed() const { return loop::now_us() - start_us; }
  /// Arrival `k` of this worker in the numbering of all threads.
  [[nodiscard]] std::int64_t index_of(std::int64_t k) const { return k * plan.threads + number; }
  /// How many of the first `count` arrivals of all threads are this worker's.
  [[nodiscard]] std::int64_t share_of(std::int64_t count) const {
    return (count - number + plan.threads - 1) / plan.threads;
  }
  LoadSecond& second(std::int64_t moment) {
    auto index = static_cast<std::size_t>(std::max<std::int64_t>(moment, 0) / kMicros);
    if (index >= report.timeline.size()) report.timeline.resize(index + 1);
    return report.timeline[index];
  }

  void ready();
  void pump();
  void pump_open(std::int64_t now);
  void send(std::int64_t due_us, std::int64_t now);
  void ended(InFlight& claim, std::uint64_t slot, const Response& response);
  void record(const InFlight& claim, const ClaimAnswer& answer, std::int64_t now);
  void tick();
  void finish(std::string problem);
  void leave_over();

  const LoadPlan& plan;
  const int number;
  std::function<void()> connected;
  const HttpClientOptions options;
  const Arrivals arrivals;
  const std::int64_t schedule_us;
  const std::int64_t warmup_us;
  LoadReport report;
  std::vector<InFlight> flying;
  std::vector<std::size_t> free_slots;
  std::string request;
  std::int64_t start_us = -1;       ///< -1: not begun
  std::int64_t next = 0;            ///< this worker's next arrival
  std::int64_t last_answer_us = 0;  ///< to a measured claim
  bool told_connected = false;
  bool finished = false;
  loop::Loop loop;
  PreciseTimer precise;
  loop::Timer tick_timer;
  HttpClient client;
};

void LoadWorker::State::ready() {
  if (!told_connected && client.connected() == options.connections) {
    told_connected = true;
    connected();
  }
  pump();
}

void LoadWorker::State::pump() {
  if (start_us < 0 || finished) return;
  std::int64_t now = elapsed();
  if (open_loop()) return pump_open(now);
  while (now < schedule_us && client.slots() > 0) send(now, now);
  if (now >= schedule_us && client.owed() == 0) finish({});
}

void LoadWorker::State::pump_open(std::int64_t now) {
  std::int64_t due = share_of(arrivals.due_by(now));
  std::int64_t all = share_of(arrivals.total());
  while (next < due && client.slots() > 0) send(arrivals.due_us(index_of(next)), now);
  if (next == all && client.owed() == 0) return finish({});
  if (next == due && next < all) precise.at_us(start_us + std::max(arrivals.due_us(index_of(next)), now + kQuantumUs));
}

void LoadWorker::State::send(std::int64_t due_us, std::int64_t now) {
  auto index = static_cast<std::uint64_t>(index_of(next++));
  std::size_t slot = free_slots.back();
  free_slots.pop_back();
  InFlight& claim = flying[slot];
  claim = {due_us, now, plan.coupon_ids[index % plan.coupon_ids.size()], plan.first_user, true};
  claim.user_id +=
      static_cast<std::int64_t>(plan.users == 0 ? index : mixed(index) % static_cast<std::uint64_t>(plan.users));
  request.clear();
  append_claim_request(request, plan.host, claim.coupon_id, claim.user_id);
  ++second(now).sent;
  client.send(slot, request);
}

void LoadWorker::State::ended(InFlight& claim, std::uint64_t slot, const Response& response) {
  std::int64_t now = elapsed();
  ClaimAnswer answer = read_claim_answer(response, claim.coupon_id);
  report.all.count(answer, response);
  LoadSecond& at = second(now);
  ++(answer.attempt == Attempt::kAccepted ? at.accepted : answer.attempt == Attempt::kRefused ? at.refused : at.other);
  at.latency_max_us = std::max(at.latency_max_us, now - claim.due_us);
  if (plan.keep_acknowledged && answer.attempt == Attempt::kAccepted)
    report.acknowledged.push_back({answer.claim, claim.user_id});
  if (claim.due_us >= warmup_us) {
    report.tally.count(answer, response);
    record(claim, answer, now);
  }
  claim.busy = false;
  free_slots.push_back(slot);
}

void LoadWorker::State::record(const InFlight& claim, const ClaimAnswer& answer, std::int64_t now) {
  ++report.due;
  if (answer.attempt != Attempt::kUnknown) last_answer_us = now;
  report.latency.record(now - claim.due_us);
  report.service.record(now - claim.sent_us);
  report.lag.record(claim.sent_us - claim.due_us);
  if (answer.attempt == Attempt::kAccepted) report.accepted.record(now - claim.due_us);
  if (answer.attempt == Attempt::kRefused) report.refused.record(now - claim.due_us);
}

/// A look at the clock: what the answers alone would not notice.
void LoadWorker::State::tick() {
  pump();
  if (finished || start_us < 0) return;
  if (plan.interrupted && *plan.interrupted) return finish("interrupted");
  auto drain_us = static_cast<std::int64_t>(plan.drain_s * 1e6);
  if (elapsed() < schedule_us + drain_us) return;
  finish(open_loop() && next < share_of(arrivals.total()) ? "overloaded: claims that were due could not be sent in time"
                                                          : "answers were still owed when the drain time was over");
}

void LoadWorker::State::finish(std::string problem) {
  finished = true;
  report.problem = std::move(problem);
  bool whole = open_loop() && next == share_of(arrivals.total());  // the last answer may come before the schedule's end
  report.measured_us = (whole ? schedule_us : std::clamp(elapsed(), warmup_us, schedule_us)) - warmup_us;
  leave_over();
  report.answering_us = std::max(report.measured_us, last_answer_us - warmup_us);
  loop.stop();
}

/// What is still owed, and what was due and never sent, is counted with the time that it has waited.
void LoadWorker::State::leave_over() {
  std::int64_t now = elapsed();
  for (const InFlight& claim : flying) {
    if (!claim.busy) continue;
    ++report.all.unanswered;
    if (claim.due_us < warmup_us) continue;
    ++report.tally.unanswered;
    record(claim, {Attempt::kUnknown, {}, {}}, now);
  }
  if (!open_loop()) return;
  for (std::int64_t due = share_of(arrivals.due_by(now)); next < due; ++next) {
    std::int64_t due_us = arrivals.due_us(index_of(next));
    if (due_us < warmup_us) continue;
    ++report.due;
    ++report.unsent;
    report.latency.record(now - due_us);
    report.lag.record(now - due_us);
  }
}

LoadWorker::LoadWorker(const LoadPlan& plan, int number, std::function<void()> on_connected)
    : state_(std::make_unique<State>(plan, number, std::move(on_connected))) {}
LoadWorker::~LoadWorker() = default;

void LoadWorker::run() {
  state_->tick_timer.every_ms(kTickMs);
  state_->loop.run();
}

void LoadWorker::begin(std::int64_t start_us) {
  state_->loop.post([this, start_us] {
    state_->start_us = start_us;
    state_->precise.at_us(start_us);
  });
}

void LoadWorker::abandon() { state_->loop.stop(); }
LoadReport& LoadWorker::report() { return state_->report; }
const std::string& LoadWorker::last_error() const { return state_->client.last_error(); }

}  // namespace flashclaim::bench
