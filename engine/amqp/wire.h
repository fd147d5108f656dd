// The byte stream of one connection: unsent output, received frames, heartbeats, and the judgement that a peer is gone.
#pragma once

#include <string>
#include <vector>

#include "engine/amqp/frames.h"
#include "engine/net/output.h"
#include "engine/net/socket.h"

namespace flashclaim::amqp {

/// One thread. After the first error it is closed and repeats that error.
class Wire {
 public:
  Wire(net::Socket socket, FrameReader::Callback on_frame);

  [[nodiscard]] bool open() const { return open_; }
  [[nodiscard]] const Error& reason() const { return reason_; }  ///< why it is closed
  Error close(std::string reason);                               ///< returns the reason

  /// What connection.tune agreed.
  void tune(int channel_max, int frame_max, int heartbeat_s);

  /// Encodes into the unsent output; nothing is sent yet.
  Result<void> queue_method(amqp_channel_t channel, amqp_method_number_t id, void* decoded);
  Result<void> queue_content(amqp_channel_t channel, amqp_basic_properties_t& properties, std::string_view body);
  void queue_bytes(std::string_view bytes) { output_.append(bytes); }
  [[nodiscard]] std::size_t unsent() const { return output_.unsent(); }

  /// Sends what the socket takes now.
  Result<void> send();
  /// One attempt whose outcome does not matter; may be called from within the frame callback.
  void send_farewell() { (void)socket_.send(output_.rest()); }
  /// Sends, waits at most timeout_ms for the socket, receives and hands out frames. Returns early when anything
  /// arrived.
  Result<void> pump(int timeout_ms);

 private:
  Result<void> receive();
  Result<void> judge_silence();
  [[nodiscard]] int until_heartbeat_ms() const;

  net::Socket socket_;
  FrameReader::Callback on_frame_;
  FrameReader reader_;
  FrameWriter writer_;
  net::Output output_;
  std::vector<char> buffer_ = std::vector<char>(std::size_t{1} << 18);
  std::chrono::seconds heartbeat_{0};
  net::Clock::time_point received_at_ = net::Clock::now();
  net::Clock::time_point queued_heartbeat_at_ = net::Clock::now();
  bool open_ = true;
  Error reason_;
};

}  // namespace flashclaim::amqp
