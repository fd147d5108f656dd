// Shard channels of Redis, listened to on a loop: a connection of its own, made when the first channel is wanted.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace flashclaim::loop {
class Loop;
}

namespace flashclaim::redis {

/// Told in the loop's thread, never from inside a call to the Subscriber.
class Listener {
 public:
  /// From now on no message of the channel is missed, until missing() or unsubscribe(). Comes again after a loss.
  virtual void subscribed(std::string_view channel) noexcept = 0;
  virtual void message(std::string_view channel, std::string_view payload) noexcept = 0;
  /// The connection was lost: what is published now is missed, on every channel, until subscribed() comes again.
  virtual void missing() noexcept = 0;

 protected:
  ~Listener() = default;
};

/// Shard channels, because a coupon's channel then lives where its keys live.
/// Belongs to the loop's thread.
class Subscriber {
 public:
  /// `redis_url` as for AsyncClient. Nothing is connected until subscribe(). The listener outlives it.
  static Result<std::unique_ptr<Subscriber>> create(loop::Loop& loop, const std::string& redis_url, Listener& listener);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  /// Wanted until unsubscribe(), over losses of the connection (capped, jittered back-off). Again: nothing.
  void subscribe(std::string_view channel);
  void unsubscribe(std::string_view channel);
  /// The server that the connection leads to was found to be the wrong one: a new connection, to wherever the name
  /// leads by now. missing(), then subscribed() again.
  void renew();
  /// True between subscribed() and the next missing() or unsubscribe().
  [[nodiscard]] bool active(std::string_view channel) const;

 private:
  struct State;
  explicit Subscriber(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim::redis
