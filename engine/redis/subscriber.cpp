// The channels that are wanted, over a Link: each is subscribed to again after a loss.
#include "engine/redis/subscriber.h"

#include <array>
#include <map>
#include <utility>

#include "engine/base/try.h"
#include "engine/loop/loop.h"
#include "engine/redis/link.h"

namespace flashclaim::redis {
namespace {

struct Channel {
  bool wanted = false;
  int owed = 0;         ///< answers to SSUBSCRIBE: only the last one speaks of what is wanted now
  bool active = false;  ///< wanted, and nothing is missed
};

}  // namespace

struct Subscriber::State final : LinkUser {
  State(loop::Loop& loop, Listener& l)
      : listener(l), renew(loop, [this] {
          if (link->state() != LinkState::kDown) link->lose("it led to the wrong server");
        }) {}

  void link_ready() noexcept override;
  void link_reply(const ReplyView& reply) noexcept override;
  void link_lost(bool was_up) noexcept override;
  void on_subscribed(std::string_view name);
  void say(std::string_view command, std::string_view channel);

  Listener& listener;
  std::map<std::string, Channel, std::less<>> channels;
  loop::Timer renew;
  std::unique_ptr<Link> link;
};

void Subscriber::State::link_ready() noexcept {
  for (auto& [name, channel] : channels) {
    say("SSUBSCRIBE", name);
    ++channel.owed;
  }
}

void Subscriber::State::link_reply(const ReplyView& reply) noexcept {
  if (reply.is_error()) return link->lose(std::string(reply.text().substr(0, 100)));
  const std::string_view kind = reply[0].text();
  if (kind == "smessage") {
    listener.message(reply[1].text(), reply[2].text());
  } else if (kind == "ssubscribe") {
    on_subscribed(reply[1].text());
  }
}

void Subscriber::State::link_lost(bool was_up) noexcept {
  std::erase_if(channels, [](const auto& item) { return !item.second.wanted; });
  for (auto& [name, channel] : channels) channel = {true, 0, false};
  if (channels.empty()) link->stop();
  if (was_up) listener.missing();
}

void Subscriber::State::on_subscribed(std::string_view name) {
  auto found = channels.find(name);
  if (found == channels.end() || --found->second.owed > 0) return;
  if (!found->second.wanted) {
    channels.erase(found);
  } else {
    found->second.active = true;
    link->proven();
    listener.subscribed(name);
  }
}

void Subscriber::State::say(std::string_view command, std::string_view channel) {
  std::string resp;
  append_resp(resp, std::array{command, channel});
  link->send(resp);
}

Subscriber::Subscriber(std::unique_ptr<State> state) : state_(std::move(state)) {}
Subscriber::~Subscriber() = default;

Result<std::unique_ptr<Subscriber>> Subscriber::create(loop::Loop& loop, const std::string& redis_url,
                                                       Listener& listener) {
  auto state = std::make_unique<State>(loop, listener);
  state->link = TRY(Link::create(loop, redis_url, {.name = "channels"}, *state));
  return std::unique_ptr<Subscriber>(new Subscriber(std::move(state)));
}

void Subscriber::subscribe(std::string_view name) {
  State& state = *state_;
  Channel& channel = state.channels.try_emplace(std::string(name)).first->second;
  if (std::exchange(channel.wanted, true)) return;
  if (state.link->ready()) {
    state.say("SSUBSCRIBE", name);
    ++channel.owed;
  } else {
    state.link->start();
  }
}

void Subscriber::unsubscribe(std::string_view name) {
  State& state = *state_;
  auto found = state.channels.find(name);
  if (found == state.channels.end() || !found->second.wanted) return;
  found->second.wanted = found->second.active = false;
  if (state.link->ready()) state.say("SUNSUBSCRIBE", name);
  if (found->second.owed == 0) state.channels.erase(found);
}

void Subscriber::renew() { state_->renew.start_ms(0); }

bool Subscriber::active(std::string_view name) const {
  auto found = state_->channels.find(name);
  return found != state_->channels.end() && found->second.active;
}

}  // namespace flashclaim::redis
