// Puts questions into the pool's queue, and answers the requests on the loop when the inbox has answers.
#include "engine/archive/loop_client.h"

namespace flashclaim::archive {

LoopClient::LoopClient(loop::Loop& loop, http::Server& server, Pool& pool)
    : pool_(pool), inbox_(std::make_shared<Inbox>(loop, [&server](const ArchiveReply& answer) {
        if (answer.problem) {
          server.refuse(answer.exchange, *answer.problem);
        } else {
          server.answer(answer.exchange, {http::Status::kOk, http::kJson, {}, answer.body, answer.cache_control});
        }
      })) {}

LoopClient::~LoopClient() { inbox_->close(); }

void LoopClient::answer_claim(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id) noexcept {
  pool_.ask({exchange, inbox_, user_id, claim, loop::now_ms()});
}

void LoopClient::answer_held(http::Exchange exchange, std::int64_t user_id, const claim::HeldRange& range) noexcept {
  pool_.ask({exchange, inbox_, user_id, range, loop::now_ms()});
}

}  // namespace flashclaim::archive
