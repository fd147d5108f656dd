// One AMQP 0-9-1 connection to RabbitMQ whose every call returns by a deadline.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/base/result.h"

namespace flashclaim::amqp {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Options {
  std::string name = {};               ///< shown by the broker as connection_name
  int heartbeat_s = 10;                ///< a peer that is silent for twice this is given up
  int deadline_ms = 5000;              ///< bound of every call below but poll
  std::size_t unsent_max = 16u << 20;  ///< bytes that publish may leave unsent before it waits
  std::size_t body_max = 1u << 20;     ///< bytes of a body that are kept: a larger one is read and thrown away
};

/// A persistent message. The views are copied before publish returns.
struct Publication {
  std::string_view exchange;  ///< "" is the default exchange: routing_key names the queue
  std::string_view routing_key;
  std::string_view body;
  std::string_view message_id;
  Headers headers = {};  ///< string values
  bool mandatory = true;
};

/// The broker took (ack) or refused (nack) publish `sequence`; `multiple`: and all before it not yet answered.
struct Confirmed {
  std::uint64_t sequence = 0;
  bool multiple = false;
  bool ack = true;
};
/// A mandatory message that no queue took. Its Confirmed follows: the message is NOT stored.
struct Returned {
  std::string message_id;
  std::string reply;
};
struct Delivery {
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string message_id;
  Headers headers;  ///< see headers_of: what is too large or too much is left out
  std::string body;
  std::uint64_t dropped = 0;  ///< bytes of a body above Options::body_max; `body` is empty then
  std::string consumer_tag;   ///< empty for get

  /// The header's value, or "" when absent.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};
/// The broker ended a subscription by itself (its queue was deleted).
struct Cancelled {
  std::string consumer_tag;
};
/// An alarm at the broker: it reads nothing more from publishers until Blocked{false}.
struct Blocked {
  bool blocked = false;
  std::string reason = {};  ///< the broker's words: "low on disk"
};
using Event = std::variant<Confirmed, Returned, Delivery, Cancelled, Blocked>;

struct QueueArguments {
  bool quorum = true;
  bool reject_when_full = false;  ///< refuse publishes (nack) at a length limit, instead of dropping the oldest
  std::int64_t ttl_ms = 0;        ///< 0: none
  std::int64_t length_max = 0;    ///< messages; 0: no limit
  std::string dead_letter_exchange = {};
  std::string dead_letter_key = {};

  using Value = std::variant<std::int64_t, std::string>;
  /// As RabbitMQ knows them: `x-queue-type` and so on.
  [[nodiscard]] std::vector<std::pair<const char*, Value>> table() const;
};
struct QueueState {
  std::int64_t messages = 0;  ///< ready ones
  std::int64_t consumers = 0;
};

/// One connection = one thread; nothing here is shared between connections. The socket is non-blocking and is ours:
/// librabbitmq only encodes and decodes frames, so that none of its own waits can be entered. After any error that is
/// about the connection (not: a queue that does not exist, a declaration that does not match) open() is false, every
/// call fails, and the owner opens a new one; unconfirmed publishes are then *unknown*, unacknowledged deliveries come
/// again.
class Connection {
 public:
  /// Resolves, connects, does the TLS handshake (amqps://, see endpoint.h), logs in and opens the channel within
  /// deadline_ms together. Messages never hold the password.
  static Result<std::unique_ptr<Connection>> open(const std::string& amqp_url, const Options& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] bool open() const;
  [[nodiscard]] bool blocked() const;  ///< the last Blocked seen

  /// Confirm mode: sequences count from 1.
  Result<void> enable_confirms();
  /// Queues the message and sends what the socket takes. Success is no confirm: that is a later Confirmed from poll.
  /// Returns the sequence (0 without confirm mode). Waits (at most deadline_ms) only when more than unsent_max is
  /// unsent.
  Result<std::uint64_t> publish(const Publication& message);
  /// The next event, or nullopt after timeout_ms (0: only what has arrived). Also sends what is unsent, and heartbeats:
  /// call it at least every heartbeat_s / 2 while nothing else is called.
  Result<std::optional<Event>> poll(int timeout_ms);

  /// Subscribes on the work channel; tags must be unique per subscription (never reuse one).
  Result<void> consume(std::string_view queue, std::string_view consumer_tag, int prefetch);
  /// After it returns no new delivery of that tag arrives; those already here come out of poll.
  Result<void> cancel(std::string_view consumer_tag);
  /// Closes the work channel and opens it anew, without subscription and confirm mode. What was not acknowledged comes
  /// again; deliveries at hand are forgotten.
  Result<void> renew_channel();
  Result<void> ack(std::uint64_t delivery_tag, bool multiple);
  Result<void> nack(std::uint64_t delivery_tag, bool requeue);
  /// One message, to be acknowledged; nullopt when the queue is empty.
  Result<std::optional<Delivery>> get(std::string_view queue);
  /// Tries to send everything unsent by the deadline (acks before a close).
  Result<void> flush();

  // Questions and declarations use a channel of their own: a refusal there leaves publishes and deliveries alone.
  Result<QueueState> queue_state(std::string_view queue);          ///< fails when it does not exist
  Result<std::int64_t> queue_depth(std::string_view queue);        ///< messages of queue_state
  Result<void> exchange_state(std::string_view exchange);          ///< fails when it does not exist
  Result<void> declare_topic_exchange(std::string_view exchange);  ///< durable
  Result<void> declare_queue(std::string_view queue, const QueueArguments& arguments);  ///< durable
  Result<void> bind_queue(std::string_view queue, std::string_view exchange, std::string_view routing_key);
  Result<std::int64_t> purge_queue(std::string_view queue);
  Result<std::int64_t> delete_queue(std::string_view queue);
  /// Whether the user may publish so: asked by a publish in a transaction that is rolled back, so that no queue hears
  /// of it. The exchange must exist. Under an alarm the broker reads no publisher: then this fails at its deadline, and
  /// the connection is closed; so it is for one that is of no other use.
  Result<bool> may_publish(std::string_view exchange, std::string_view routing_key);

 private:
  class Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flashclaim::amqp
