// What one connection knows: its channels, the answer it waits for, the message being received, the events not yet
// taken.
#pragma once

#include <deque>
#include <initializer_list>
#include <optional>
#include <string>

#include "engine/amqp/connection.h"
#include "engine/amqp/wire.h"
#include "engine/base/url.h"

namespace flashclaim::amqp {

inline constexpr amqp_channel_t kWorkChannel = 1;  // publishes, deliveries
inline constexpr amqp_channel_t kAskChannel = 2;   // declarations and questions, opened when first needed

/// The answer to a call: which method came, and the two numbers that any of them carries.
struct MethodReply {
  amqp_method_number_t method = 0;
  std::int64_t messages = 0;
  std::int64_t consumers = 0;
};

class Connection::Impl {
 public:
  Impl(net::Socket socket, const Options& options);
  ~Impl();

  Result<void> log_in(const Url& url, net::Clock::time_point deadline);
  Result<MethodReply> call(amqp_channel_t channel, amqp_method_number_t id, void* decoded,
                           net::Clock::time_point deadline);
  /// A call on the ask channel, which is opened first where the broker has closed it.
  Result<MethodReply> ask(amqp_method_number_t id, void* decoded);
  Result<void> open_channel(amqp_channel_t channel, net::Clock::time_point deadline);
  Result<void> send_now(amqp_channel_t channel, amqp_method_number_t id, void* decoded);
  [[nodiscard]] net::Clock::time_point deadline() const;
  /// Everything that belonged to the work channel, which is closed.
  void forget_channel();

  Options options;
  Wire wire;
  std::deque<Event> events;
  std::optional<Delivery> got;  // the content of basic.get-ok
  std::uint64_t last_sequence = 0;
  bool confirms = false;
  bool blocked = false;

 private:
  /// A message whose frames are still arriving, and what it becomes when it is whole.
  struct Incoming {
    enum class Kind { kNone, kDelivery, kReturn, kGet };
    Kind kind = Kind::kNone;
    Delivery delivery;
    std::string reply;  // of a return
    std::uint64_t missing = 0;
    bool header_seen = false;
  };

  Result<void> on_frame(const amqp_frame_t& frame);
  Result<void> on_connection_method(const amqp_method_t& method);
  Result<void> tune(const amqp_connection_tune_t& proposal);
  Result<void> on_work_method(const amqp_method_t& method);
  Result<void> on_ask_method(const amqp_method_t& method);
  Result<void> on_content(const amqp_frame_t& frame);
  Result<void> begin_content(Incoming::Kind kind, std::uint64_t tag, bool redelivered, amqp_bytes_t consumer_tag);
  Result<void> finish_content();
  Result<void> answer(const amqp_method_t& method);

  Incoming incoming_;
  std::optional<MethodReply> answer_;
  std::optional<Error> ask_refusal_;  // why the broker closed the ask channel during the present call
  bool ask_open_ = false;
  bool closing_ = false;

  std::string mechanisms_;           // of the log-in, as the broker offers them
  amqp_connection_tune_t agreed_{};  // what both sides hold to
};

}  // namespace flashclaim::amqp
