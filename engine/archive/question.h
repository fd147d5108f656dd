// What is asked of the archive, and the way of the answer back to the loop that asked.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/ids.h"
#include "engine/claim/archive.h"
#include "engine/http/problem.h"
#include "engine/http/server.h"

namespace flashclaim::loop {
class Loop;
}

namespace flashclaim::archive {

struct ArchiveReply {
  http::Exchange exchange;
  std::optional<http::Problem> problem;
  std::string body;                     ///< JSON, without a problem
  std::string_view cache_control = {};  ///< as http::Answer
};

/// The answers for one loop. It wakes the loop once for however many have gathered.
class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  using Give = std::function<void(const ArchiveReply&)>;
  /// `give` is called in the loop's thread; what it refers to and the loop must live until close().
  Inbox(loop::Loop& loop, Give give) : loop_(&loop), give_(std::move(give)) {}

  /// Any thread. After close() it goes nowhere: its client is gone.
  void put(ArchiveReply answer);
  /// The loop's thread has ended.
  void close();

 private:
  void give_all();

  std::mutex mutex_;
  loop::Loop* loop_;
  const Give give_;
  std::vector<ArchiveReply> answers_;
};

struct Question {
  http::Exchange exchange;
  std::shared_ptr<Inbox> inbox;
  std::int64_t user_id = 0;
  std::variant<ClaimId, claim::HeldRange> about;
  std::int64_t asked_ms = 0;  ///< loop::now_ms()

  void refuse(http::Problem problem) const { inbox->put({exchange, problem, {}}); }
  void answer(std::string body, std::string_view cache_control = {}) const {
    inbox->put({exchange, std::nullopt, std::move(body), cache_control});
  }
};

}  // namespace flashclaim::archive
