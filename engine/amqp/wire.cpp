// Moves bytes between the socket and the frame encoder and decoder, and closes with a reason when the peer is silent.
#include "engine/amqp/wire.h"

#include <algorithm>

#include "engine/net/tls_client.h"

namespace flashclaim::amqp {
Wire::Wire(net::Socket socket, FrameReader::Callback on_frame)
    : socket_(std::move(socket)), on_frame_(std::move(on_frame)) {}

Error Wire::close(std::string reason) {
  if (open_) {
    open_ = false;
    reason_ = failure(std::move(reason));
    socket_.close();
  }
  return reason_;
}

void Wire::tune(int channel_max, int frame_max, int heartbeat_s) {
  reader_.tune(channel_max, frame_max);
  writer_.set_frame_max(static_cast<std::size_t>(frame_max));
  heartbeat_ = std::chrono::seconds(heartbeat_s);
}

Result<void> Wire::queue_method(amqp_channel_t channel, amqp_method_number_t id, void* decoded) {
  if (!open_) return reason_;
  return writer_.method(output_.tail(), channel, id, decoded);
}

Result<void> Wire::queue_content(amqp_channel_t channel, amqp_basic_properties_t& properties, std::string_view body) {
  if (!open_) return reason_;
  return writer_.content(output_.tail(), channel, properties, body);
}

Result<void> Wire::send() {
  if (!open_) return reason_;
  auto sent = output_.send(socket_);
  if (sent) return {};
  (void)receive();  // the broker may have said why before it hung up
  return close(sent.error().message);
}

Result<void> Wire::receive() {
  constexpr int kReadsMax = 4;  // a peer that sends without end must not keep us here
  for (int i = 0; i < kReadsMax; ++i) {
    const auto heard = socket_.heard();
    auto got = socket_.receive(buffer_.data(), buffer_.size());
    if (!got) return close(got.error().message);
    if (*got > 0 || socket_.heard() != heard) received_at_ = net::Clock::now();
    if (*got == 0) return {};
    if (net::is_tls_alert({buffer_.data(), *got})) return close("the broker speaks TLS on this port: use amqps://");
    auto fed = reader_.feed({buffer_.data(), *got}, on_frame_);
    if (!fed) return close(fed.error().message);
    if (*got < buffer_.size()) return {};
  }
  return {};
}

int Wire::until_heartbeat_ms() const {
  if (heartbeat_.count() == 0) return 1000;
  return net::milliseconds_until(queued_heartbeat_at_ + heartbeat_ / 2);
}

Result<void> Wire::judge_silence() {
  if (heartbeat_.count() == 0 || net::Clock::now() - received_at_ < 2 * heartbeat_) return {};
  return close("the broker was silent for " + std::to_string(2 * heartbeat_.count()) + " s");
}

Result<void> Wire::pump(int timeout_ms) {
  if (!open_) return reason_;
  if (heartbeat_.count() > 0 && until_heartbeat_ms() == 0) {
    // While the socket takes nothing another heartbeat is of no use, and the output must not grow by them.
    if (unsent() == 0) FrameWriter::heartbeat(output_.tail());
    queued_heartbeat_at_ = net::Clock::now();
  }
  if (auto sent = send(); !sent) return sent;
  // Receive first: after a long absence of ours the socket holds the proof that the peer lives.
  auto before = received_at_;
  if (auto received = receive(); !received) return received;
  if (received_at_ != before || timeout_ms <= 0) return judge_silence();
  socket_.wait(unsent() > 0, std::min(timeout_ms, until_heartbeat_ms()));
  if (auto sent = send(); !sent) return sent;
  if (auto received = receive(); !received) return received;
  return judge_silence();
}

}  // namespace flashclaim::amqp
