// Goes over all coupons, also those that are in no set of Redis any more, and finds those that need a reconcile.
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

/// Looks at up to `limit` coupons with ids above `after`, with one page of the database and one pipeline to Redis. The
/// reconciler's own round sees only `coupon:issuing`. Coupons that Redis retired because its clock was ahead, and
/// coupons that became suspect after their end, are not in it. Coupons that Redis does not have are skipped: they are
/// for `rebuild`.
Result<Patrol> patrol(redis::Client& redis, postgres::Session& pg, std::int64_t after, int limit);

}  // namespace flashclaim::operations
