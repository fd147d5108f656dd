// GET /claims/{id}: one FCALL_RO, and what it says in JSON.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/claim/archive.h"
#include "engine/http/server.h"
#include "engine/redis/async.h"
#include "engine/redis/functions.h"

namespace flashclaim::claim {

/// JSON of a claim, as the API has it. Ids are strings.
std::string claim_json(const ClaimId& claim, const redis::ClaimView& view);

/// Decides about a view that somebody waits for.
class Watcher {
 public:
  enum class Next {
    kAnswer,  ///< answer with what was seen; the watcher has forgotten the watch
    kWait,    ///< the watcher answers later
    kDrop,    ///< the watcher has answered already
  };
  /// Once for every view with a watch, maybe from inside show_claim().
  virtual Next viewed(std::uint64_t watch, bool pending) noexcept = 0;

 protected:
  ~Watcher() = default;
};

/// The views under way of one thread. Must outlive the client's answers.
class Views {
 public:
  Views();
  ~Views();

  void bind(http::Server& server, redis::AsyncClient& client);
  /// Without one, a claim that Redis does not know is CLAIM_NOT_FOUND.
  void bind(Archive& archive) { archive_ = &archive; }

  /// `user_id` 0: nobody in particular asks; else the claim of another user is CLAIM_NOT_FOUND.
  void show_claim(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id, Watcher* watcher = nullptr,
                  std::uint64_t watch = 0);
  /// Answers with what is known already.
  void answer(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id, const redis::ClaimView& view);

 private:
  class View;
  View& take();
  void send(View& view, const std::vector<std::string>& command);

  http::Server* server_ = nullptr;
  redis::AsyncClient* client_ = nullptr;
  Archive* archive_ = nullptr;
  std::string resp_;  ///< scratch
  std::vector<std::unique_ptr<View>> all_;
  std::vector<View*> spare_;
};

}  // namespace flashclaim::claim
