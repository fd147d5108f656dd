// The calls of connection.h over a session.
#include "engine/amqp/connection.h"

#include "engine/amqp/endpoint.h"
#include "engine/amqp/session.h"
#include "engine/base/try.h"

namespace flashclaim::amqp {
namespace {

constexpr std::size_t kSendAt = std::size_t{1} << 16;  // publishes are gathered up to here: fewer system calls

}  // namespace

std::string_view Delivery::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::open(const std::string& amqp_url, const Options& options) {
  const auto endpoint = TRY(parse_endpoint(amqp_url));
  const Url& url = endpoint.url;
  const auto deadline = net::Clock::now() + std::chrono::milliseconds(options.deadline_ms);
  auto socket = net::Socket::connect(endpoint.host, url.port, deadline);
  if (!socket) return failure("RabbitMQ: " + socket.error().message);
  const std::string where = "RabbitMQ at " + url.redacted() + ": ";
  if (endpoint.tls)
    if (auto secured = socket->secure(endpoint.files, endpoint.host, deadline); !secured)
      return failure(where + secured.error().message);
  auto impl = std::make_unique<Impl>(std::move(*socket), options);
  if (auto done = impl->log_in(url, deadline); !done) return failure(where + done.error().message);
  return std::unique_ptr<Connection>(new Connection(std::move(impl)));
}

bool Connection::open() const { return impl_->wire.open(); }
bool Connection::blocked() const { return impl_->blocked; }

Result<void> Connection::enable_confirms() {
  amqp_confirm_select_t select{};
  TRY(impl_->call(kWorkChannel, AMQP_CONFIRM_SELECT_METHOD, &select, impl_->deadline()));
  impl_->confirms = true;
  return {};
}

Result<std::uint64_t> Connection::publish(const Publication& message) {
  Impl& impl = *impl_;
  if (impl.wire.unsent() > impl.options.unsent_max) {
    auto deadline = impl.deadline();
    while (impl.wire.unsent() > impl.options.unsent_max) {
      int left = net::milliseconds_until(deadline);
      if (left == 0) return impl.wire.close("the broker took nothing in time");
      TRY(impl.wire.pump(left));
    }
  }
  std::vector<amqp_table_entry_t> headers;
  headers.reserve(message.headers.size());
  for (const auto& [key, value] : message.headers) headers.push_back(text_entry(key.c_str(), value));
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG;
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  properties.message_id = bytes_of(message.message_id);
  properties.content_type = amqp_cstring_bytes("application/json");
  if (!headers.empty()) {
    properties._flags |= AMQP_BASIC_HEADERS_FLAG;
    properties.headers = table_of(headers);
  }
  amqp_basic_publish_t publish{0, bytes_of(message.exchange), bytes_of(message.routing_key), message.mandatory, 0};
  if (auto queued = impl.wire.queue_method(kWorkChannel, AMQP_BASIC_PUBLISH_METHOD, &publish); !queued)
    return queued.error();
  if (auto queued = impl.wire.queue_content(kWorkChannel, properties, message.body); !queued)
    return impl.wire.close(queued.error().message);  // a method without its content ends the dialogue
  if (impl.wire.unsent() >= kSendAt) TRY(impl.wire.send());
  return impl.confirms ? ++impl.last_sequence : 0;
}

Result<std::optional<Event>> Connection::poll(int timeout_ms) {
  Impl& impl = *impl_;
  auto deadline = net::Clock::now() + std::chrono::milliseconds(timeout_ms);
  if (!impl.events.empty() && impl.wire.open() && impl.wire.unsent() > 0)
    if (auto sent = impl.wire.send(); !sent && impl.events.empty()) return sent.error();
  while (impl.events.empty()) {
    int left = net::milliseconds_until(deadline);
    if (auto pumped = impl.wire.pump(left); !pumped && impl.events.empty()) return pumped.error();
    if (impl.events.empty() && left == 0) return std::optional<Event>();
  }
  std::optional<Event> event = std::move(impl.events.front());
  impl.events.pop_front();
  return event;
}

Result<void> Connection::consume(std::string_view queue, std::string_view consumer_tag, int prefetch) {
  amqp_basic_qos_t qos{0, static_cast<std::uint16_t>(prefetch), 0};
  TRY(impl_->call(kWorkChannel, AMQP_BASIC_QOS_METHOD, &qos, impl_->deadline()));
  amqp_basic_consume_t consume{};
  consume.queue = bytes_of(queue);
  consume.consumer_tag = bytes_of(consumer_tag);
  auto begun = impl_->call(kWorkChannel, AMQP_BASIC_CONSUME_METHOD, &consume, impl_->deadline());
  return begun ? Result<void>() : begun.error();
}

Result<void> Connection::cancel(std::string_view consumer_tag) {
  amqp_basic_cancel_t cancel{bytes_of(consumer_tag), 0};
  auto ended = impl_->call(kWorkChannel, AMQP_BASIC_CANCEL_METHOD, &cancel, impl_->deadline());
  return ended ? Result<void>() : ended.error();
}

Result<void> Connection::renew_channel() {
  amqp_channel_close_t close{};
  close.reply_code = AMQP_REPLY_SUCCESS;
  TRY(impl_->call(kWorkChannel, AMQP_CHANNEL_CLOSE_METHOD, &close, impl_->deadline()));
  impl_->forget_channel();
  return impl_->open_channel(kWorkChannel, impl_->deadline());
}

Result<void> Connection::ack(std::uint64_t delivery_tag, bool multiple) {
  amqp_basic_ack_t ack{delivery_tag, multiple};
  return impl_->send_now(kWorkChannel, AMQP_BASIC_ACK_METHOD, &ack);
}

Result<void> Connection::nack(std::uint64_t delivery_tag, bool requeue) {
  amqp_basic_nack_t nack{delivery_tag, 0, requeue};
  return impl_->send_now(kWorkChannel, AMQP_BASIC_NACK_METHOD, &nack);
}

Result<std::optional<Delivery>> Connection::get(std::string_view queue) {
  amqp_basic_get_t get{0, bytes_of(queue), 0};
  TRY(impl_->call(kWorkChannel, AMQP_BASIC_GET_METHOD, &get, impl_->deadline()));
  return std::exchange(impl_->got, std::nullopt);
}

Result<void> Connection::flush() {
  auto deadline = impl_->deadline();
  while (impl_->wire.unsent() > 0) {
    int left = net::milliseconds_until(deadline);
    if (left == 0) return impl_->wire.close("the broker took nothing in time");
    TRY(impl_->wire.pump(left));
  }
  return impl_->wire.open() ? Result<void>() : impl_->wire.reason();
}

}  // namespace flashclaim::amqp
