// A question to the archive, and the inbox that brings the answer back to the loop that asked.
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

/// The answers for one loop. Wakes the loop once for all answers that have gathered.
class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  using Give = std::function<void(const ArchiveReply&)>;
  /// `give` is called in the loop's thread. The loop, and what `give` refers to, must live until close().
  Inbox(loop::Loop& loop, Give give) : loop_(&loop), give_(std::move(give)) {}

  /// Any thread. After close() the answer is dropped: its client is gone.
  void put(ArchiveReply answer);
  /// Call when the loop's thread has ended.
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
