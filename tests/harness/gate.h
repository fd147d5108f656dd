// A TCP gate between two parts of the product, which a test can close, stall, cut, slow down, corrupt or turn into a
// black hole.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace flashclaim::harness {

/// What the gate does with connections, present and future, from the moment it is set.
enum class GateMode {
  kPass,
  kRefuse,   ///< nobody listens: connection refused; present connections are reset
  kStall,    ///< accepts, but reads and forwards nothing: both sides see a peer that is silent while its buffers fill
  kClose,    ///< accepts and closes at once; present connections are closed
  kCut,      ///< passes `amount` more bytes (both directions together), then resets the connections, then passes again
  kDelay,    ///< every byte arrives `amount` milliseconds later
  kSlow,     ///< `amount` bytes a second and direction
  kCorrupt,  ///< flips one bit in about every `amount` bytes
  kDamage,   ///< set by damage_after(): flips the lowest bit of each byte that stands behind a given text
  kBlackHole,  ///< reads everything, forwards nothing, answers nothing; connections that lost bytes so are reset when
               ///< it ends, for no network goes on with a hole in a stream
};
const char* gate_mode_name(GateMode mode);

/// Listens on a port of its own and connects each connection to 127.0.0.1:target_port. One thread of its own inside;
/// every method may be called from any thread. Throws std::runtime_error when it cannot listen.
class Gate {
 public:
  explicit Gate(int target_port);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  [[nodiscard]] int port() const { return port_; }
  /// Returns once the mode is in force.
  void set(GateMode mode, std::int64_t amount = 0);
  void pass() { set(GateMode::kPass); }
  /// New connections go to another port of 127.0.0.1; the present ones stay where they are, as when an address moves.
  void lead_to(int port) { target_port_ = port; }
  /// A digit becomes another one and a frame stays well-formed, or a frame's type becomes nonsense: as `text` chooses.
  /// What the boundaries of reads hide is let by.
  void damage_after(const std::string& text);
  /// Bits flipped since the beginning.
  [[nodiscard]] std::int64_t damaged() const { return damaged_.load(); }
  [[nodiscard]] int connections() const { return connections_.load(); }
  /// Bytes forwarded since the beginning, both directions.
  [[nodiscard]] std::int64_t forwarded() const { return forwarded_.load(); }
  /// `url` with its port replaced by the gate's.
  [[nodiscard]] std::string through(const std::string& url) const;

 private:
  class Loop;
  void wake() const;

  int port_ = 0;
  std::atomic<int> target_port_;
  int wake_fd_ = -1;
  std::atomic<GateMode> mode_{GateMode::kPass};
  std::atomic<std::int64_t> amount_{0};
  std::atomic<std::uint64_t> changes_{0};  // counts set(): a repeated mode acts again
  std::atomic<std::uint64_t> applied_{0};
  std::atomic<int> connections_{0};
  std::atomic<std::int64_t> forwarded_{0};
  std::atomic<std::int64_t> damaged_{0};
  std::string damage_after_;  // changed before changes_ is, read after it
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace flashclaim::harness
