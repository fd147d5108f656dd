// The archive for one loop: asks the pool, and answers the request when the pool has answered.
#pragma once

#include <memory>

#include "engine/archive/pool.h"
#include "engine/claim/archive.h"
#include "engine/loop/loop.h"

namespace flashclaim::archive {

/// Belongs to the loop's thread. Neither call ever waits for PostgreSQL.
class LoopClient final : public claim::Archive {
 public:
  /// All three must outlive it, or be destroyed after the loop's thread has ended.
  LoopClient(loop::Loop& loop, http::Server& server, Pool& pool);
  ~LoopClient();
  LoopClient(const LoopClient&) = delete;
  LoopClient& operator=(const LoopClient&) = delete;

  void answer_claim(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id) noexcept override;
  void answer_held(http::Exchange exchange, std::int64_t user_id, const claim::HeldRange& range) noexcept override;

 private:
  Pool& pool_;
  std::shared_ptr<Inbox> inbox_;
};

}  // namespace flashclaim::archive
