// The calls in flight over a Link, their deadlines, and the question for the server's role.
#include "engine/redis/async.h"

#include <algorithm>
#include <cassert>
#include <deque>
#include <utility>

#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/loop/loop.h"
#include "engine/redis/errors.h"
#include "engine/redis/link.h"
#include "engine/redis/role.h"

namespace flashclaim::redis {
namespace {

constexpr int kLookMs = 1000;  ///< between two questions for the role; a younger connection is not left for an answer
constexpr std::string_view kRole = "*1\r\n$4\r\nROLE\r\n";

}  // namespace

struct AsyncClient::State final : LinkUser {
  State(loop::Loop& loop, const AsyncOptions& o)
      : options(o),
        look(*this),
        deadline(loop, [this] { on_deadline(); }),
        look_again(loop, [this] { look_at_role(); }) {}
  ~State() {
    link.reset();  // a call that is told may try to send
    tell_lost();
  }

  // --- The link's
  void link_ready() noexcept override;
  void link_reply(const ReplyView& reply) noexcept override;
  void link_written() noexcept override {
    if (!pending.empty()) test_point("engine.claim.sent");
  }
  void link_lost(bool was_up) noexcept override;

  [[nodiscard]] bool ready() const { return link && link->ready(); }
  Sent send(std::string_view command, Call& call);
  void tell_lost();
  void leave(std::string why);
  void look_at_role();
  void on_role(const ReplyView& reply);
  void on_deadline();
  void arm_deadline();

  struct Pending {
    Call* call;
    std::int64_t deadline_us;
  };

  /// The question for the role; at most one is under way.
  struct Look final : Call {
    explicit Look(State& s) : state(s) {}
    void answered(const ReplyView& reply) noexcept override {
      under_way = false;
      state.on_role(reply);
    }
    void lost() noexcept override { under_way = false; }
    State& state;
    bool under_way = false;
  };

  AsyncOptions options;
  Look look;
  std::function<void()> left;
  std::deque<Pending> pending;
  AsyncCounters counters;
  loop::Timer deadline;
  loop::Timer look_again;
  std::unique_ptr<Link> link;
};

void AsyncClient::State::link_ready() noexcept {
  counters.connects.add();
  counters.ready.store(true, std::memory_order_relaxed);
  look_again.every_ms(kLookMs);
}

void AsyncClient::State::link_lost(bool was_up) noexcept {
  counters.ready.store(false, std::memory_order_relaxed);
  if (was_up) counters.disconnects.add();
  deadline.stop();
  look_again.stop();
  tell_lost();
}

/// They may have been carried out.
void AsyncClient::State::tell_lost() {
  for (const Pending& each : std::exchange(pending, {})) {
    if (each.call != &look) counters.lost.add();
    each.call->lost();
  }
}

void AsyncClient::State::link_reply(const ReplyView& reply) noexcept {
  if (pending.empty()) return link->lose("an answer to nothing");
  Call* call = pending.front().call;
  pending.pop_front();
  // Before the call hears it, and sends more. A young connection was the primary's just now: once a second suffices.
  if (is_about_the_session(reply) && link->older_than_ms(kLookMs)) leave(std::string(reply.text().substr(0, 100)));
  call->answered(reply);
  if (pending.empty() && link->state() == LinkState::kLeaving) link->lose({});
}

void AsyncClient::State::look_at_role() {
  if (!look.under_way) look.under_way = send(kRole, look) == Sent::kYes;
}

void AsyncClient::State::on_role(const ReplyView& reply) {
  if (auto why = not_the_primary(reply)) return leave(std::move(*why));
  link->proven();
}

/// For another connection, which may lead to another server; once all that is owed was answered.
void AsyncClient::State::leave(std::string why) {
  if (!link->ready()) return;
  link->leave(std::move(why));
  counters.ready.store(false, std::memory_order_relaxed);
  look_again.stop();
  if (left) left();
}

/// Replies are FIFO: when the oldest is late, all are, and only a fresh connection helps.
void AsyncClient::State::on_deadline() {
  if (pending.empty()) return;
  if (loop::now_us() >= pending.front().deadline_us) return link->lose("no answer within the deadline");
  arm_deadline();
}

void AsyncClient::State::arm_deadline() {
  deadline.start_ms(std::max<std::int64_t>(1, (pending.front().deadline_us - loop::now_us()) / 1000 + 1));
}

Sent AsyncClient::State::send(std::string_view command, Call& call) {
  if (!ready()) return Sent::kDisconnected;
  if (pending.size() >= options.commands_max || link->unsent() + command.size() > options.bytes_max) {
    counters.full.add();
    return Sent::kFull;
  }
  link->send(command);
  if (&call != &look) counters.commands.add();
  pending.push_back({&call, loop::now_us() + std::int64_t{options.deadline_ms} * 1000});
  if (pending.size() == 1) arm_deadline();
  return Sent::kYes;
}

AsyncClient::AsyncClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
AsyncClient::~AsyncClient() = default;

Result<std::unique_ptr<AsyncClient>> AsyncClient::create(loop::Loop& loop, const std::string& redis_url,
                                                         const AsyncOptions& options) {
  auto state = std::make_unique<State>(loop, options);
  const LinkOptions of_link{.name = options.name,
                            .connect_ms = options.connect_ms,
                            .unacknowledged_ms = options.deadline_ms,
                            .backoff_min_ms = options.backoff_min_ms,
                            .backoff_max_ms = options.backoff_max_ms};
  state->link = TRY(Link::create(loop, redis_url, of_link, *state));
  state->link->start();
  return std::unique_ptr<AsyncClient>(new AsyncClient(std::move(state)));
}

Sent AsyncClient::send(std::string_view command, Call& call) { return state_->send(command, call); }

bool AsyncClient::ready() const { return state_->ready(); }
std::size_t AsyncClient::in_flight() const { return state_->pending.size(); }
const AsyncCounters& AsyncClient::counters() const { return state_->counters; }
const std::string& AsyncClient::trouble() const { return state_->link->trouble(); }
void AsyncClient::when_left(std::function<void()> call) { state_->left = std::move(call); }

}  // namespace flashclaim::redis
