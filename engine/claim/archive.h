// Who knows the claims that Redis has forgotten.
#pragma once

#include <cstdint>

#include "engine/base/ids.h"
#include "engine/http/server.h"

namespace flashclaim::claim {

class Archive {
 public:
  /// Answers the exchange, at once or later, in the loop's thread: the claim's outcome, CLAIM_NOT_FOUND when it never
  /// existed or is not of `user_id` (0: nobody in particular asks), or why it cannot be known now.
  virtual void answer_claim(http::Exchange exchange, const ClaimId& claim, std::int64_t user_id) noexcept = 0;

 protected:
  ~Archive() = default;
};

}  // namespace flashclaim::claim
