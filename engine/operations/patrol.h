// The round over all coupons, those too that are in no set of Redis any more: which of them are worth a reconcile.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.h"

namespace flashclaim::redis {
class Client;
}
namespace flashclaim::postgres {
class Session;
}

namespace flashclaim::operations {

struct Patrol {
  std::vector<std::int64_t> to_mend;  ///< suspect, or not as the database has them although Redis heard of the version
  std::int64_t next = 0;              ///< where the round goes on; 0: from the beginning
};

/// Looks at up to `limit` coupons with ids above `after`, in one page of the database and one pipeline to Redis: the
/// reconciler's own round sees only what is in `coupon:issuing`, and what a clock that was ahead has retired, or what
/// was suspected after the end, is not. What Redis does not hold is passed over: that is for `rebuild`.
Result<Patrol> patrol(redis::Client& redis, postgres::Session& pg, std::int64_t after, int limit);

}  // namespace flashclaim::operations
