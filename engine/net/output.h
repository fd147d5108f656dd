// Bytes on their way out of a socket.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "engine/base/try.h"
#include "engine/net/socket.h"

namespace flashclaim::net {

/// One thread. Unbounded: bounds are its owner's.
class Output {
 public:
  /// To append to, and for nothing else.
  [[nodiscard]] std::string& tail() { return bytes_; }
  void append(std::string_view bytes) { bytes_ += bytes; }
  [[nodiscard]] std::size_t unsent() const { return bytes_.size() - sent_; }
  [[nodiscard]] std::string_view rest() const { return std::string_view(bytes_).substr(sent_); }
  void clear() {
    bytes_.clear();
    sent_ = 0;
  }

  /// Sends what the socket takes now.
  Result<void> send(Socket& socket) {
    while (unsent() > 0) {
      const std::size_t taken = TRY(socket.send(rest()));
      if (taken == 0) break;
      sent_ += taken;
    }
    constexpr std::size_t kCompactAt = std::size_t{1} << 20;
    if (unsent() == 0) {
      clear();
    } else if (sent_ > kCompactAt) {
      bytes_.erase(0, sent_);
      sent_ = 0;
    }
    return {};
  }

 private:
  std::string bytes_;
  std::size_t sent_ = 0;  ///< of bytes_, from its front
};

}  // namespace flashclaim::net
