// The log-in: protocol header, PLAIN, tuning, virtual host. Written here because librabbitmq's own needs its own
// socket.
#include "engine/amqp/session.h"
#include "engine/base/try.h"

namespace flashclaim::amqp {
namespace {

constexpr int kChannels = 2;
constexpr std::string_view kProtocolHeader{"AMQP\0\0\x09\x01", 8};

std::uint32_t smaller_unless_zero(std::uint32_t ours, std::uint32_t theirs) {
  return theirs == 0 || ours == 0 ? ours : std::min(ours, theirs);
}

bool in_list(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    auto end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

}  // namespace

Result<void> Connection::Impl::tune(const amqp_connection_tune_t& proposal) {
  constexpr std::uint32_t kFrameMaxLeast = 4096;  // AMQP 0-9-1's own minimum
  agreed_.channel_max = static_cast<std::uint16_t>(smaller_unless_zero(kChannels, proposal.channel_max));
  agreed_.frame_max = smaller_unless_zero(kFrameMax, proposal.frame_max);
  agreed_.heartbeat = static_cast<std::uint16_t>(
      smaller_unless_zero(static_cast<std::uint32_t>(options.heartbeat_s), proposal.heartbeat));
  if (agreed_.frame_max < kFrameMaxLeast) return failure("the broker proposed frames that are too small");
  if (agreed_.channel_max < kChannels) return failure("the broker allows fewer than two channels");
  wire.tune(agreed_.channel_max, static_cast<int>(agreed_.frame_max), agreed_.heartbeat);
  return {};
}

Result<void> Connection::Impl::log_in(const Url& url, net::Clock::time_point deadline) {
  wire.queue_bytes(kProtocolHeader);
  while (!answer_) {
    int left = net::milliseconds_until(deadline);
    if (left == 0) return wire.close("the broker did not greet in time");
    TRY(wire.pump(left));
  }
  if (answer_->method != AMQP_CONNECTION_START_METHOD)
    return wire.close("the broker did not begin with connection.start");
  if (!in_list(mechanisms_, "PLAIN")) return wire.close("the broker does not offer PLAIN");

  std::vector<amqp_table_entry_t> capabilities = {
      bool_entry("publisher_confirms", true),           bool_entry("basic.nack", true),
      bool_entry("connection.blocked", true),           bool_entry("consumer_cancel_notify", true),
      bool_entry("authentication_failure_close", true),
  };
  std::vector<amqp_table_entry_t> properties = {
      text_entry("product", "flashclaim"),
      text_entry("connection_name", options.name),
      table_entry("capabilities", table_of(capabilities)),
  };
  std::string secret = '\0' + url.user + '\0' + url.password;
  amqp_connection_start_ok_t start{table_of(properties), amqp_cstring_bytes("PLAIN"), bytes_of(secret),
                                   amqp_cstring_bytes("en_US")};
  auto proposal = TRY(call(0, AMQP_CONNECTION_START_OK_METHOD, &start, deadline));
  if (proposal.method != AMQP_CONNECTION_TUNE_METHOD) return wire.close("the broker asked for more than PLAIN");

  amqp_connection_tune_ok_t tuned{agreed_.channel_max, agreed_.frame_max, agreed_.heartbeat};
  TRY(wire.queue_method(0, AMQP_CONNECTION_TUNE_OK_METHOD, &tuned));
  amqp_connection_open_t open{bytes_of(url.path), amqp_empty_bytes, 1};
  TRY(call(0, AMQP_CONNECTION_OPEN_METHOD, &open, deadline));
  return open_channel(kWorkChannel, deadline);
}

}  // namespace flashclaim::amqp
