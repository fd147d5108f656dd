// Dispatch of what the broker sends; see session.h.
#include "engine/amqp/session.h"

#include "engine/base/try.h"

namespace flashclaim::amqp {
namespace {

constexpr int kProtocolHeaderFrame = 'A';  // librabbitmq's private name for a peer of another protocol version

template <class T>
const T& as(const amqp_method_t& method) {
  return *static_cast<const T*>(method.decoded);
}

ErrorCode code_of(int reply_code) {
  switch (reply_code) {
    case AMQP_ACCESS_REFUSED:
      return ErrorCode::kDenied;
    case AMQP_NOT_FOUND:
      return ErrorCode::kMissing;
    case AMQP_PRECONDITION_FAILED:
      return ErrorCode::kBadArgument;
    default:
      return ErrorCode::kOther;
  }
}

std::string reason_of(std::string_view what, int code, amqp_bytes_t text) {
  return "the broker closed the " + std::string(what) + ": " + std::to_string(code) + " " + text_of(text);
}

}  // namespace

Connection::Impl::Impl(net::Socket socket, const Options& given)
    : options(given), wire(std::move(socket), [this](const amqp_frame_t& frame) { return on_frame(frame); }) {}

Connection::Impl::~Impl() {
  // A polite end, briefly: an abrupt one would let the kernel drop acknowledgements that are still unsent.
  if (!wire.open()) return;
  closing_ = true;
  amqp_connection_close_t close{};
  close.reply_code = AMQP_REPLY_SUCCESS;
  close.reply_text = amqp_cstring_bytes("bye");
  (void)call(0, AMQP_CONNECTION_CLOSE_METHOD, &close, net::Clock::now() + std::chrono::milliseconds(300));
}

net::Clock::time_point Connection::Impl::deadline() const {
  return net::Clock::now() + std::chrono::milliseconds(options.deadline_ms);
}

Result<MethodReply> Connection::Impl::call(amqp_channel_t channel, amqp_method_number_t id, void* decoded,
                                           net::Clock::time_point deadline) {
  answer_.reset();
  TRY(wire.queue_method(channel, id, decoded));
  while (!answer_) {
    int left = net::milliseconds_until(deadline);
    if (left == 0) return unknown(wire.close("the broker did not answer in time").message);
    if (auto pumped = wire.pump(left); !pumped) return unknown(pumped.error().message);
    if (ask_refusal_) return *std::exchange(ask_refusal_, std::nullopt);
  }
  return *std::exchange(answer_, std::nullopt);
}

Result<void> Connection::Impl::open_channel(amqp_channel_t channel, net::Clock::time_point deadline) {
  amqp_channel_open_t open{};
  auto opened = call(channel, AMQP_CHANNEL_OPEN_METHOD, &open, deadline);
  return opened ? Result<void>() : opened.error();
}

Result<MethodReply> Connection::Impl::ask(amqp_method_number_t id, void* decoded) {
  if (!ask_open_) {
    TRY(open_channel(kAskChannel, deadline()));
    ask_open_ = true;
  }
  return call(kAskChannel, id, decoded, deadline());
}

Result<void> Connection::Impl::send_now(amqp_channel_t channel, amqp_method_number_t id, void* decoded) {
  TRY(wire.queue_method(channel, id, decoded));
  return wire.send();
}

void Connection::Impl::forget_channel() {
  std::erase_if(events, [](const Event& event) { return !std::holds_alternative<Blocked>(event); });
  incoming_ = {};
  last_sequence = 0;
  confirms = false;
}

Result<void> Connection::Impl::on_frame(const amqp_frame_t& frame) {
  if (frame.frame_type == AMQP_FRAME_HEARTBEAT) return {};
  if (frame.frame_type == kProtocolHeaderFrame) return failure("the peer does not speak AMQP 0-9-1");
  if (frame.frame_type != AMQP_FRAME_METHOD) return on_content(frame);
  const amqp_method_t& method = frame.payload.method;
  if (frame.channel == 0) return on_connection_method(method);
  if (frame.channel == kWorkChannel) return on_work_method(method);
  if (frame.channel == kAskChannel) return on_ask_method(method);
  return failure("the broker used a channel that was never opened");
}

Result<void> Connection::Impl::answer(const amqp_method_t& method) {
  MethodReply answer{method.id, 0, 0};
  if (method.id == AMQP_QUEUE_DECLARE_OK_METHOD) {
    answer.messages = as<amqp_queue_declare_ok_t>(method).message_count;
    answer.consumers = as<amqp_queue_declare_ok_t>(method).consumer_count;
  } else if (method.id == AMQP_QUEUE_PURGE_OK_METHOD) {
    answer.messages = as<amqp_queue_purge_ok_t>(method).message_count;
  } else if (method.id == AMQP_QUEUE_DELETE_OK_METHOD) {
    answer.messages = as<amqp_queue_delete_ok_t>(method).message_count;
  }
  answer_ = answer;
  return {};
}

Result<void> Connection::Impl::on_connection_method(const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_CONNECTION_START_METHOD:
      mechanisms_ = text_of(as<amqp_connection_start_t>(method).mechanisms);
      break;
    case AMQP_CONNECTION_TUNE_METHOD:
      TRY(tune(as<amqp_connection_tune_t>(method)));
      break;
    case AMQP_CONNECTION_BLOCKED_METHOD:
      blocked = true;
      events.emplace_back(Blocked{true, text_of(as<amqp_connection_blocked_t>(method).reason)});
      return {};
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
      blocked = false;
      events.emplace_back(Blocked{false});
      return {};
    case AMQP_CONNECTION_CLOSE_METHOD: {
      const auto& close = as<amqp_connection_close_t>(method);
      auto reason = reason_of("connection", close.reply_code, close.reply_text);
      amqp_connection_close_ok_t ok{};
      if (wire.queue_method(0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok)) wire.send_farewell();
      return failure(std::move(reason));
    }
    default:
      break;
  }
  return answer(method);
}

Result<void> Connection::Impl::on_work_method(const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_BASIC_ACK_METHOD: {
      const auto& ack = as<amqp_basic_ack_t>(method);
      events.emplace_back(Confirmed{ack.delivery_tag, ack.multiple != 0, true});
      return {};
    }
    case AMQP_BASIC_NACK_METHOD: {
      const auto& nack = as<amqp_basic_nack_t>(method);
      events.emplace_back(Confirmed{nack.delivery_tag, nack.multiple != 0, false});
      return {};
    }
    case AMQP_BASIC_DELIVER_METHOD: {
      const auto& deliver = as<amqp_basic_deliver_t>(method);
      return begin_content(Incoming::Kind::kDelivery, deliver.delivery_tag, deliver.redelivered, deliver.consumer_tag);
    }
    case AMQP_BASIC_RETURN_METHOD: {
      const auto& back = as<amqp_basic_return_t>(method);
      auto begun = begin_content(Incoming::Kind::kReturn, 0, false, amqp_empty_bytes);
      incoming_.reply = std::to_string(back.reply_code) + " " + text_of(back.reply_text);
      return begun;
    }
    case AMQP_BASIC_GET_OK_METHOD: {
      const auto& get = as<amqp_basic_get_ok_t>(method);
      return begin_content(Incoming::Kind::kGet, get.delivery_tag, get.redelivered, amqp_empty_bytes);
    }
    case AMQP_BASIC_CANCEL_METHOD: {
      const auto& cancel = as<amqp_basic_cancel_t>(method);
      events.emplace_back(Cancelled{text_of(cancel.consumer_tag)});
      if (cancel.nowait) return {};
      amqp_basic_cancel_ok_t ok{cancel.consumer_tag};
      return wire.queue_method(kWorkChannel, AMQP_BASIC_CANCEL_OK_METHOD, &ok);
    }
    case AMQP_CHANNEL_CLOSE_METHOD: {
      // Every tag and sequence ends with this channel: the connection ends too, so that its owner has one kind of end.
      const auto& close = as<amqp_channel_close_t>(method);
      return failure(code_of(close.reply_code), reason_of("channel", close.reply_code, close.reply_text));
    }
    case AMQP_CHANNEL_FLOW_METHOD:
      return failure("the broker asked for channel.flow, which RabbitMQ never does");
    default:
      return answer(method);
  }
}

Result<void> Connection::Impl::on_ask_method(const amqp_method_t& method) {
  if (method.id != AMQP_CHANNEL_CLOSE_METHOD) return answer(method);
  const auto& close = as<amqp_channel_close_t>(method);
  std::string why = text_of(close.reply_text);
  if (why.empty()) why = "refused with code " + std::to_string(close.reply_code);
  ask_refusal_ = failure(code_of(close.reply_code), std::move(why));
  ask_open_ = false;
  amqp_channel_close_ok_t ok{};
  return wire.queue_method(kAskChannel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
}

Result<void> Connection::Impl::begin_content(Incoming::Kind kind, std::uint64_t tag, bool redelivered,
                                             amqp_bytes_t consumer_tag) {
  if (incoming_.kind != Incoming::Kind::kNone) return failure("the broker began a message inside another");
  incoming_ = {};
  incoming_.kind = kind;
  incoming_.delivery.delivery_tag = tag;
  incoming_.delivery.redelivered = redelivered;
  incoming_.delivery.consumer_tag = text_of(consumer_tag);
  return {};
}

Result<void> Connection::Impl::on_content(const amqp_frame_t& frame) {
  if (frame.channel != kWorkChannel || incoming_.kind == Incoming::Kind::kNone)
    return failure("the broker sent content that belongs to no message");
  Delivery& delivery = incoming_.delivery;
  if (frame.frame_type == AMQP_FRAME_HEADER) {
    if (incoming_.header_seen || frame.payload.properties.class_id != AMQP_BASIC_CLASS)
      return failure("the broker sent a header out of place");
    // Whoever may publish chooses the size: it is no fault of the connection, and must not end it.
    if (frame.payload.properties.body_size > options.body_max) delivery.dropped = frame.payload.properties.body_size;
    const auto& properties = *static_cast<const amqp_basic_properties_t*>(frame.payload.properties.decoded);
    if (properties._flags & AMQP_BASIC_MESSAGE_ID_FLAG) delivery.message_id = text_of(properties.message_id);
    delivery.headers = headers_of(properties);
    incoming_.header_seen = true;
    incoming_.missing = frame.payload.properties.body_size;
  } else {
    amqp_bytes_t part = frame.payload.body_fragment;
    if (!incoming_.header_seen || part.len > incoming_.missing) return failure("the broker sent a body out of place");
    if (delivery.dropped == 0 && incoming_.kind != Incoming::Kind::kReturn)
      delivery.body.append(static_cast<const char*>(part.bytes), part.len);
    incoming_.missing -= part.len;
  }
  return incoming_.missing == 0 ? finish_content() : Result<void>();
}

Result<void> Connection::Impl::finish_content() {
  switch (incoming_.kind) {
    case Incoming::Kind::kDelivery:
      events.emplace_back(std::move(incoming_.delivery));
      break;
    case Incoming::Kind::kReturn:
      events.emplace_back(Returned{std::move(incoming_.delivery.message_id), std::move(incoming_.reply)});
      break;
    case Incoming::Kind::kGet:
      got = std::move(incoming_.delivery);
      answer_ = MethodReply{AMQP_BASIC_GET_OK_METHOD, 0, 0};
      break;
    case Incoming::Kind::kNone:
      break;
  }
  incoming_ = {};
  return {};
}

}  // namespace flashclaim::amqp
