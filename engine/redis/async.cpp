// hiredis 0.14.1 has no async deadlines, no bound on its output and frees its context by itself: what
// follows from that is said at each place (H1 .. in the order in which it bites).
#include "engine/redis/async.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <deque>

#include "engine/base/backoff.h"
#include "engine/base/counter.h"
#include "engine/base/link_log.h"
#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/loop/loop.h"
#include "engine/redis/errors.h"
#include "engine/redis/handshake.h"
#include "engine/redis/resolver.h"
#include "engine/redis/role.h"

namespace flashclaim::redis {
namespace {

constexpr int kLookMs = 1000;  ///< between two questions for the role; a younger connection is not left for an answer
constexpr std::string_view kRole = "*1\r\n$4\r\nROLE\r\n";

}  // namespace

/// kLeaving: nothing more is sent, what is owed is awaited.
enum class LinkState { kDown, kConnecting, kGreeting, kReady, kLeaving };

struct AsyncClient::State {
  State(loop::Loop& l, const AsyncOptions& o, Handshake g)
      : options(o),
        handshake(std::move(g)),
        resolver(l, handshake.host, handshake.addresses),
        look(*this),
        readable(l, loop::FdEvent::Kind::kRead, [this] { redisAsyncHandleRead(context); }),
        writable(l, loop::FdEvent::Kind::kWrite, [this] { redisAsyncHandleWrite(context); }),
        flush(l, [this] { on_flush(); }),
        reconnect(l, [this] { resolver.look_up([this](const std::string& address) { connect(address); }); }),
        deadline(l, [this] { on_deadline(); }),
        look_again(l, [this] { look_at_role(); }) {}

  ~State() {
    closing = true;
    give_up("closing");
  }

  // --- The link
  void set_link(LinkState next) {
    link = next;
    counters.ready.store(next == LinkState::kReady, std::memory_order_relaxed);
  }

  void connect(const std::string& address);
  void greet();
  void on_greeting(const redisReply* reply);
  void on_gone(const char* why);
  void give_up(const char* why);
  void leave(std::string why);
  void look_at_role();
  void on_role(const ReplyView& reply);
  Sent send(std::string_view command, Call& call);
  [[nodiscard]] bool was_up() const { return link == LinkState::kReady || link == LinkState::kLeaving; }
  void on_flush();
  void on_deadline();
  void arm_deadline();

  // --- hiredis' callbacks
  static State& of(const redisAsyncContext* ac) { return *static_cast<State*>(ac->data); }
  static void on_connect(const redisAsyncContext* ac, int status) noexcept;
  static void on_disconnect(const redisAsyncContext* ac, int status) noexcept;
  static void on_reply(redisAsyncContext* ac, void* reply, void* call) noexcept;
  static void on_greeting_reply(redisAsyncContext* ac, void* reply, void*) noexcept;
  void attach();

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
  Handshake handshake;
  Resolver resolver;
  Look look;
  int greeted = 0;
  std::int64_t ready_ms = 0;  ///< since when

  redisAsyncContext* context = nullptr;  ///< hiredis' to free
  LinkState link = LinkState::kDown;
  bool closing = false;
  bool giving_up = false;
  std::string last_error;
  std::string trouble;
  LinkLog told;
  std::function<void()> left;
  Backoff backoff{options.backoff_min_ms, options.backoff_max_ms};
  std::deque<Pending> pending;
  AsyncCounters counters;
  loop::FdEvent readable;
  loop::FdEvent writable;
  loop::EndOfTurn flush;
  loop::Timer reconnect;
  loop::Timer deadline;
  loop::Timer look_again;
};

/// hiredis' hooks are ours and not those of its adapter: a write is tried at the end of the turn that appended it, and
/// the descriptor is watched for writing only when the socket is full.
void AsyncClient::State::attach() {
  context->data = this;
  context->ev.data = this;
  context->ev.addRead = [](void* self) { static_cast<State*>(self)->readable.resume(); };
  context->ev.delRead = [](void* self) { static_cast<State*>(self)->readable.pause(); };
  context->ev.addWrite = [](void* self) {
    auto* state = static_cast<State*>(self);
    if (state->link == LinkState::kConnecting) return state->writable.resume();  // a connect ends as writability
    state->flush.schedule();
  };
  context->ev.delWrite = [](void* self) { static_cast<State*>(self)->writable.pause(); };
  context->ev.cleanup = [](void* self) {
    static_cast<State*>(self)->readable.forget();
    static_cast<State*>(self)->writable.forget();
  };
  readable.watch(context->c.fd);
  readable.pause();
  writable.watch(context->c.fd);
}

void AsyncClient::State::connect(const std::string& address) {
  assert(!context && link == LinkState::kDown);
  context = redisAsyncConnect(address.c_str(), handshake.port);
  if (!context || context->err) {
    std::string why = context ? context->errstr : "out of memory";
    if (context) redisAsyncFree(std::exchange(context, nullptr));  // was never attached
    return on_gone(why.c_str());
  }
  set_link(LinkState::kConnecting);
  attach();
  redisAsyncSetConnectCallback(context, on_connect);
  redisAsyncSetDisconnectCallback(context, on_disconnect);
  deadline.start_ms(options.connect_ms);
}

/// On failure hiredis frees the context after this, and does not call on_disconnect.
void AsyncClient::State::on_connect(const redisAsyncContext* ac, int status) noexcept {
  State& self = of(ac);
  if (status != REDIS_OK) {
    self.context = nullptr;
    return self.on_gone(ac->c.errstr[0] ? ac->c.errstr : "connect failed");
  }
  int user_timeout_ms = self.options.deadline_ms;
  setsockopt(ac->c.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
  int one = 1;
  setsockopt(ac->c.fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  self.set_link(LinkState::kGreeting);
  self.greet();
}

void AsyncClient::State::on_disconnect(const redisAsyncContext* ac, int) noexcept {
  State& self = of(ac);
  self.context = nullptr;
  self.on_gone(!self.last_error.empty() ? self.last_error.c_str() : ac->errstr ? ac->errstr : "connection closed");
}

void AsyncClient::State::greet() {
  greeted = 0;
  // One formatted command per reply is all that hiredis counts; the first carries the bytes of all.
  for (int i = 0; i < handshake.replies; ++i)
    redisAsyncFormattedCommand(context, on_greeting_reply, nullptr, handshake.resp.data(),
                               i == 0 ? handshake.resp.size() : 0);
}

void AsyncClient::State::on_greeting_reply(redisAsyncContext* ac, void* reply, void*) noexcept {
  if (reply) of(ac).on_greeting(static_cast<const redisReply*>(reply));
}

/// Refused: try again later on a fresh connection.
void AsyncClient::State::on_greeting(const redisReply* reply) {
  if (link != LinkState::kGreeting) return;
  if (const auto refusal = handshake.refusal(greeted, ReplyView(reply))) {
    last_error = *refusal;
    redisAsyncFree(context);  // inside a reply callback: takes effect after it
    return;
  }
  if (++greeted < handshake.replies) return;
  deadline.stop();
  backoff.reset();
  count(counters.connects);
  ready_ms = loop::now_ms();
  set_link(LinkState::kReady);
  look_again.every_ms(kLookMs);
  if (told.connected())
    log(LogLevel::kInfo, "redis", "connected", {{"address", handshake.host + ":" + std::to_string(handshake.port)}});
}

void AsyncClient::State::look_at_role() {
  if (!look.under_way) look.under_way = send(kRole, look) == Sent::kYes;
}

void AsyncClient::State::on_role(const ReplyView& reply) {
  if (auto why = not_the_primary(reply)) return leave(std::move(*why));
  told.proven();
}

/// For another connection, which may lead to another server. Also inside a reply callback.
void AsyncClient::State::leave(std::string why) {
  if (link != LinkState::kReady) return;
  last_error = std::move(why);
  set_link(LinkState::kLeaving);
  look_again.stop();
  redisAsyncDisconnect(context);  // once all is answered
  if (left) left();
}

/// The context is hiredis' again or gone. What was pending has been told by on_reply(NULL).
void AsyncClient::State::on_gone(const char* why) {
  const bool up = was_up();
  set_link(LinkState::kDown);
  deadline.stop();
  look_again.stop();
  if (closing) return;
  if (up) count(counters.disconnects);
  const int delay_ms = backoff.next_ms();
  if (told.lost(why)) log(LogLevel::kWarn, "redis", "lost", {{"error", why}, {"retry_ms", delay_ms}});
  trouble = why;
  last_error.clear();
  reconnect.start_ms(delay_ms);
}

/// Outside of hiredis' callbacks only. Tells every pending call that its answer is lost.
void AsyncClient::State::give_up(const char* why) {
  if (!context) return;
  last_error = why;
  redisAsyncContext* dying = context;
  bool connected = (dying->c.flags & REDIS_CONNECTED) != 0;
  redisAsyncFree(dying);  // runs on_reply(NULL) for all that is pending, and on_disconnect when it was connected
  if (!connected) {
    context = nullptr;
    on_gone(why);
  }
}

void AsyncClient::State::on_flush() {
  if (!context || link == LinkState::kConnecting || link == LinkState::kDown) return;
  redisAsyncHandleWrite(context);  // may end in on_disconnect
  if (!pending.empty()) test_point("engine.claim.sent");
  if (context && sdslen(context->c.obuf) > 0) writable.resume();
}

/// Replies are FIFO: when the oldest is late, all are, and only a fresh connection helps.
void AsyncClient::State::on_deadline() {
  if (link == LinkState::kConnecting || link == LinkState::kGreeting) return give_up("no answer while connecting");
  if (pending.empty()) return;
  if (loop::now_us() >= pending.front().deadline_us) return give_up("no answer within the deadline");
  arm_deadline();
}

void AsyncClient::State::arm_deadline() {
  deadline.start_ms(std::max<std::int64_t>(1, (pending.front().deadline_us - loop::now_us()) / 1000 + 1));
}

/// A NULL reply means that the connection is gone: the command may have been carried out.
void AsyncClient::State::on_reply(redisAsyncContext* ac, void* reply, void* call) noexcept {
  State& self = of(ac);
  assert(!self.pending.empty() && self.pending.front().call == call);
  self.pending.pop_front();
  if (reply) {
    const ReplyView view(static_cast<const redisReply*>(reply));
    // Before the call hears it, and sends more. A young connection was the primary's just now: once a second suffices.
    if (is_about_the_session(view) && loop::now_ms() - self.ready_ms >= kLookMs)
      self.leave(std::string(view.text().substr(0, 100)));
    static_cast<Call*>(call)->answered(view);
  } else {
    if (call != &self.look) count(self.counters.lost);
    static_cast<Call*>(call)->lost();
  }
}

AsyncClient::AsyncClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
AsyncClient::~AsyncClient() = default;

Result<std::unique_ptr<AsyncClient>> AsyncClient::create(loop::Loop& loop, const std::string& redis_url,
                                                         const AsyncOptions& options) {
  auto handshake = TRY(handshake_of(redis_url));
  auto state = std::make_unique<State>(loop, options, std::move(handshake));
  state->reconnect.start_ms(0);
  return std::unique_ptr<AsyncClient>(new AsyncClient(std::move(state)));
}

Sent AsyncClient::State::send(std::string_view command, Call& call) {
  if (link != LinkState::kReady || !context) return Sent::kDisconnected;
  if (pending.size() >= options.commands_max || sdslen(context->c.obuf) + command.size() > options.bytes_max) {
    count(counters.full);
    return Sent::kFull;
  }
  // While a connection is being given up hiredis refuses, and does not call back.
  if (redisAsyncFormattedCommand(context, on_reply, &call, command.data(), command.size()) != REDIS_OK)
    return Sent::kDisconnected;
  if (&call != &look) count(counters.commands);
  pending.push_back({&call, loop::now_us() + std::int64_t{options.deadline_ms} * 1000});
  if (pending.size() == 1) arm_deadline();
  return Sent::kYes;
}

Sent AsyncClient::send(std::string_view command, Call& call) { return state_->send(command, call); }

bool AsyncClient::ready() const { return state_->link == LinkState::kReady; }
std::size_t AsyncClient::in_flight() const { return state_->pending.size(); }
const AsyncCounters& AsyncClient::counters() const { return state_->counters; }
const std::string& AsyncClient::trouble() const { return state_->trouble; }
void AsyncClient::when_left(std::function<void()> call) { state_->left = std::move(call); }

void append_resp(std::string& out, std::span<const std::string_view> words) {
  out.append("*").append(std::to_string(words.size())).append("\r\n");
  for (std::string_view word : words)
    out.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
}

}  // namespace flashclaim::redis
