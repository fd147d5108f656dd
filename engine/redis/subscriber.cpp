// Subscribes over hiredis' synchronous context on a non-blocking socket: connect, log in, read messages, reconnect.
#include "engine/redis/subscriber.h"

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <map>
#include <utility>

#include "engine/base/backoff.h"
#include "engine/base/link_log.h"
#include "engine/base/log.h"
#include "engine/base/try.h"
#include "engine/loop/loop.h"
#include "engine/redis/async.h"
#include "engine/redis/client.h"
#include "engine/redis/handshake.h"
#include "engine/redis/resolver.h"

namespace flashclaim::redis {
namespace {

constexpr int kConnectMs = 2000;
constexpr int kUnackedMs = 3000;  ///< TCP_USER_TIMEOUT: a command that the other side's kernel did not take
constexpr int kBackoffMinMs = 50;
constexpr int kBackoffMaxMs = 2000;

struct Channel {
  bool wanted = false;
  int owed = 0;         ///< answers to SSUBSCRIBE: only the last one speaks of what is wanted now
  bool active = false;  ///< wanted, and nothing is missed
};

}  // namespace

struct Subscriber::State {
  State(loop::Loop& loop, Listener& l, Handshake g)
      : listener(l),
        handshake(std::move(g)),
        resolver(loop, handshake.host, handshake.addresses),
        readable(loop, loop::FdEvent::Kind::kRead, [this] { on_readable(); }),
        writable(loop, loop::FdEvent::Kind::kWrite, [this] { on_writable(); }),
        reconnect(loop, [this] { resolver.look_up([this](const std::string& address) { connect(address); }); }),
        deadline(loop, [this] { lose("no answer while connecting"); }),
        leave(loop, [this] {
          if (context) lose("it led to the wrong server");
        }) {}
  ~State() { drop(); }

  void connect(const std::string& address);
  void drop();
  void lose(std::string why);
  void on_writable() noexcept;
  void on_readable() noexcept;
  void on_connected();
  bool take_replies();
  bool on_reply(const ReplyView& reply);
  void on_greeted();
  void on_subscribed(std::string_view name);
  [[nodiscard]] bool greeted_all() const { return context && greeted == handshake.replies; }
  void say(std::string_view command, std::string_view channel);

  Listener& listener;
  Handshake handshake;
  Resolver resolver;
  LinkLog told;
  std::map<std::string, Channel, std::less<>> channels;
  redisContext* context = nullptr;
  int greeted = 0;  ///< replies to the handshake; all of them: commands may be sent
  bool connected = false;
  Backoff backoff{kBackoffMinMs, kBackoffMaxMs};
  loop::FdEvent readable;
  loop::FdEvent writable;
  loop::Timer reconnect;
  loop::Timer deadline;
  loop::Timer leave;
};

void Subscriber::State::connect(const std::string& address) {
  context = redisConnectNonBlock(address.c_str(), handshake.port);
  if (!context || context->err) return lose(context ? context->errstr : "out of memory");
  greeted = 0;
  connected = false;
  readable.watch(context->fd);
  readable.pause();
  writable.watch(context->fd);
  deadline.start_ms(kConnectMs);
}

void Subscriber::State::drop() {
  readable.forget();
  writable.forget();
  deadline.stop();
  if (context) redisFree(context);
  context = nullptr;
}

void Subscriber::State::lose(std::string why) {
  const bool was_up = greeted_all();
  drop();
  std::erase_if(channels, [](const auto& item) { return !item.second.wanted; });
  for (auto& [name, channel] : channels) channel = {true, 0, false};
  const int delay_ms = backoff.next_ms();
  if (told.lost(why)) log(LogLevel::kWarn, "redis", "subscriber_lost", {{"error", why}, {"retry_ms", delay_ms}});
  if (!channels.empty()) reconnect.start_ms(delay_ms);
  if (was_up) listener.missing();
}

void Subscriber::State::on_connected() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(context->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return lose(std::strerror(error));
  connected = true;
  int one = 1;
  setsockopt(context->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(context->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  int user_timeout_ms = kUnackedMs;
  setsockopt(context->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
  redisAppendFormattedCommand(context, handshake.resp.data(), handshake.resp.size());
  readable.resume();
}

void Subscriber::State::on_writable() noexcept {
  if (!connected) on_connected();
  if (!context) return;
  int all_written = 0;
  if (redisBufferWrite(context, &all_written) != REDIS_OK) return lose(context->errstr);
  if (all_written) writable.pause();
}

void Subscriber::State::on_readable() noexcept {
  if (redisBufferRead(context) != REDIS_OK) return lose(context->errstr);
  while (context && take_replies()) continue;
}

/// False when no complete reply is left.
bool Subscriber::State::take_replies() {
  void* raw = nullptr;
  if (redisReaderGetReply(context->reader, &raw) != REDIS_OK) {
    lose("garbled");
    return false;
  }
  if (!raw) return false;
  Reply reply(static_cast<redisReply*>(raw));
  return on_reply(reply.view());
}

bool Subscriber::State::on_reply(const ReplyView& reply) {
  if (greeted < handshake.replies) {
    if (const auto refusal = handshake.refusal(greeted, reply)) {
      lose(*refusal);
      return false;
    }
    if (++greeted == handshake.replies) on_greeted();
    return true;
  }
  if (reply.is_error()) {
    lose(std::string(reply.text().substr(0, 100)));
    return false;
  }
  const std::string_view kind = reply[0].text();
  if (kind == "smessage") {
    listener.message(reply[1].text(), reply[2].text());
  } else if (kind == "ssubscribe") {
    on_subscribed(reply[1].text());
  }
  return true;
}

void Subscriber::State::on_subscribed(std::string_view name) {
  auto found = channels.find(name);
  if (found == channels.end() || --found->second.owed > 0) return;
  if (!found->second.wanted) {
    channels.erase(found);
  } else {
    found->second.active = true;
    told.proven();
    listener.subscribed(name);
  }
}

void Subscriber::State::on_greeted() {
  deadline.stop();
  backoff.reset();
  for (auto& [name, channel] : channels) {
    say("SSUBSCRIBE", name);
    ++channel.owed;
  }
}

void Subscriber::State::say(std::string_view command, std::string_view channel) {
  std::string resp;
  const std::string_view words[] = {command, channel};
  append_resp(resp, words);
  redisAppendFormattedCommand(context, resp.data(), resp.size());
  writable.resume();
}

Subscriber::Subscriber(std::unique_ptr<State> state) : state_(std::move(state)) {}
Subscriber::~Subscriber() = default;

Result<std::unique_ptr<Subscriber>> Subscriber::create(loop::Loop& loop, const std::string& redis_url,
                                                       Listener& listener) {
  auto handshake = TRY(handshake_of(redis_url));
  auto state = std::make_unique<State>(loop, listener, std::move(handshake));
  return std::unique_ptr<Subscriber>(new Subscriber(std::move(state)));
}

void Subscriber::subscribe(std::string_view name) {
  State& state = *state_;
  const bool first = state.channels.empty();
  Channel& channel = state.channels.try_emplace(std::string(name)).first->second;
  if (std::exchange(channel.wanted, true)) return;
  if (state.greeted_all()) {
    state.say("SSUBSCRIBE", name);
    ++channel.owed;
  } else if (!state.context && first) {
    state.reconnect.start_ms(0);
  }
}

void Subscriber::unsubscribe(std::string_view name) {
  State& state = *state_;
  auto found = state.channels.find(name);
  if (found == state.channels.end() || !found->second.wanted) return;
  found->second.wanted = found->second.active = false;
  if (state.greeted_all()) state.say("SUNSUBSCRIBE", name);
  if (found->second.owed == 0) state.channels.erase(found);
}

void Subscriber::renew() { state_->leave.start_ms(0); }

bool Subscriber::active(std::string_view name) const {
  auto found = state_->channels.find(name);
  return found != state_->channels.end() && found->second.active;
}

}  // namespace flashclaim::redis
