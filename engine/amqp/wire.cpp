// Moves bytes between the socket and the frame encoder and decoder, and closes with a reason when the peer is silent.
#include "engine/amqp/wire.h"

#include <algorithm>

namespace flashclaim::amqp {
namespace {

/// What a server of TLS answers to our protocol header. No frame begins so: 21 is no type.
bool is_tls_alert(std::string_view bytes) { return bytes.starts_with("\x15\x03"); }

}  // namespace

Wire::Wire(Socket socket, FrameReader::Callback on_frame)
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
  return writer_.method(unsent_, channel, id, decoded);
}

Result<void> Wire::queue_content(amqp_channel_t channel, amqp_basic_properties_t& properties, std::string_view body) {
  if (!open_) return reason_;
  return writer_.content(unsent_, channel, properties, body);
}

Result<void> Wire::send() {
  if (!open_) return reason_;
  while (unsent() > 0) {
    auto taken = socket_.send(std::string_view(unsent_).substr(sent_));
    if (!taken) {
      (void)receive();  // the broker may have said why before it hung up
      return close(taken.error().message);
    }
    if (*taken == 0) break;
    sent_ += *taken;
  }
  constexpr std::size_t kCompactAt = std::size_t{1} << 20;
  if (unsent() == 0) {
    unsent_.clear();
    sent_ = 0;
  } else if (sent_ > kCompactAt) {
    unsent_.erase(0, sent_);
    sent_ = 0;
  }
  return {};
}

Result<void> Wire::receive() {
  constexpr int kReadsMax = 4;  // a peer that sends without end must not keep us here
  for (int i = 0; i < kReadsMax; ++i) {
    const auto heard = socket_.heard();
    auto got = socket_.receive(buffer_.data(), buffer_.size());
    if (!got) return close(got.error().message);
    if (*got > 0 || socket_.heard() != heard) received_at_ = Clock::now();
    if (*got == 0) return {};
    if (is_tls_alert({buffer_.data(), *got})) return close("the broker speaks TLS on this port: use amqps://");
    auto fed = reader_.feed({buffer_.data(), *got}, on_frame_);
    if (!fed) return close(fed.error().message);
    if (*got < buffer_.size()) return {};
  }
  return {};
}

int Wire::until_heartbeat_ms() const {
  if (heartbeat_.count() == 0) return 1000;
  return milliseconds_until(queued_heartbeat_at_ + heartbeat_ / 2);
}

Result<void> Wire::judge_silence() {
  if (heartbeat_.count() == 0 || Clock::now() - received_at_ < 2 * heartbeat_) return {};
  return close("the broker was silent for " + std::to_string(2 * heartbeat_.count()) + " s");
}

Result<void> Wire::pump(int timeout_ms) {
  if (!open_) return reason_;
  if (heartbeat_.count() > 0 && until_heartbeat_ms() == 0) {
    // While the socket takes nothing another heartbeat is of no use, and the output must not grow by them.
    if (unsent() == 0) FrameWriter::heartbeat(unsent_);
    queued_heartbeat_at_ = Clock::now();
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
