// Frames: librabbitmq's encoder and decoder over plain byte buffers.
#pragma once

#include <amqp.h>
#include <amqp_framing.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/amqp/connection.h"
#include "engine/base/result.h"

namespace flashclaim::amqp {

inline constexpr int kFrameMax = 131072;

amqp_bytes_t bytes_of(std::string_view text);
std::string text_of(amqp_bytes_t bytes);
amqp_table_entry_t text_entry(const char* key, std::string_view value);
amqp_table_entry_t bool_entry(const char* key, bool value);
amqp_table_entry_t integer_entry(const char* key, std::int64_t value);
amqp_table_entry_t table_entry(const char* key, amqp_table_t value);
amqp_table_t table_of(std::vector<amqp_table_entry_t>& entries);

/// String and integer values as text. Left out: other kinds, values above 1024 bytes, and what comes after the first
/// 32: whoever may publish chooses them, and they are kept until the message is acknowledged.
Headers headers_of(const amqp_basic_properties_t& properties);

/// Appends encoded frames to a buffer of the caller's.
class FrameWriter {
 public:
  /// `decoded` is the method's struct, e.g. amqp_channel_open_t. Fails only when it does not fit one frame.
  Result<void> method(std::string& out, amqp_channel_t channel, amqp_method_number_t id, void* decoded);
  /// The header and body frames that follow basic.publish.
  Result<void> content(std::string& out, amqp_channel_t channel, amqp_basic_properties_t& properties,
                       std::string_view body);
  static void heartbeat(std::string& out);
  void set_frame_max(std::size_t frame_max) { frame_max_ = frame_max; }

 private:
  std::size_t frame_max_ = 4096;  // the least that AMQP lets a peer agree to, until tuned
  std::vector<char> scratch_ = std::vector<char>(kFrameMax);
};

/// Decodes the byte stream of the peer. What a frame points to lives only inside the callback. Properties that
/// librabbitmq must not be given (header_check.h) are left out of their message.
class FrameReader {
 public:
  using Callback = std::function<Result<void>(const amqp_frame_t&)>;

  FrameReader();
  /// Calls back for every complete frame; stops at the first error.
  Result<void> feed(std::string_view bytes, const Callback& callback);
  /// After connection.tune was decoded, inside its callback.
  void tune(int channel_max, int frame_max);

 private:
  Result<void> decode(std::string_view bytes, const Callback& callback);
  std::string checked_header();

  std::string held_;         ///< the beginning of a frame, or a content header that is not complete
  std::size_t through_ = 0;  ///< bytes of the present frame that go through unseen
  struct Destroy {
    void operator()(amqp_connection_state_t_* state) const { amqp_destroy_connection(state); }
  };
  std::unique_ptr<amqp_connection_state_t_, Destroy> state_;
};

}  // namespace flashclaim::amqp
