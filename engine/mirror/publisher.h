// The broker's side of the mirror: one connection with confirms, its window, its reconnects and its refusals.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/amqp/connection.h"
#include "engine/base/backoff.h"
#include "engine/base/link_log.h"
#include "engine/mirror/message.h"
#include "engine/mirror/window.h"

namespace flashclaim::mirror {

/// One thread. Nothing here is lost silently: every publish ends as exactly one Published.
class Publisher {
 public:
  struct Counters {
    std::uint64_t published = 0, confirmed = 0, returned = 0, nacked = 0;
  };

  Publisher(std::string amqp_url, std::string name, std::size_t window_max);

  [[nodiscard]] bool connected() const { return connection_ != nullptr; }
  [[nodiscard]] bool blocked() const { return connection_ && connection_->blocked(); }
  /// When not connected and due: connects, checks that the queues exist, turns confirms on. May take some seconds.
  void connect_if_due();
  /// Publishes that may be made now: 0 when not connected, blocked, or pausing after a refusal.
  [[nodiscard]] std::size_t room() const;
  [[nodiscard]] std::size_t unconfirmed() const { return window_.size(); }
  void publish(const EntryMessage& message, Purpose purpose);
  /// Serves the connection for at most timeout_ms, less when an outcome arrives. Appends to `outcomes`.
  void pump(int timeout_ms, std::vector<Published>& outcomes);
  /// True once after the queue was found missing: what it held is gone.
  [[nodiscard]] bool take_queue_was_lost() { return std::exchange(queue_was_lost_, false); }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  Result<void> connect();
  void handle(const amqp::Event& event, std::vector<Published>& outcomes);
  void refuse(std::string_view event, const std::string& reason);
  void lose(const std::string& reason);
  void check_patience();
  Result<void> look_again();

  std::string amqp_url_;
  std::string name_;
  std::size_t window_max_;
  std::unique_ptr<amqp::Connection> connection_;
  Window window_;
  std::vector<Published> undelivered_;  // outcomes decided outside pump
  Backoff reconnect_{100, 5000};
  Backoff refusal_{100, 5000};
  LinkLog told_;
  Clock::time_point patient_since_{};  // the confirm timeout of older publishes counts from here
  bool queue_was_lost_ = false;
  Counters counters_;
};

}  // namespace flashclaim::mirror
