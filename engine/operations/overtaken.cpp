// Names the last operation of the coupon, from its events in the database.
#include "engine/operations/overtaken.h"

#include <spdlog/fmt/fmt.h>

#include "engine/base/rfc3339.h"
#include "engine/base/text.h"
#include "engine/base/try.h"
#include "engine/operations/sync_redis.h"

namespace flashclaim::operations {
namespace {

/// `update by bob at 2026-11-30T12:00:00.000Z (version 4): it is issuing, total 20`.
Result<std::string> last_operation(postgres::Session& pg, const postgres::CouponState& now) {
  const auto events = TRY(postgres::from_sql(postgres::coupon_events(pg, now.id, 1)));
  if (events.empty()) return std::string("another operation");
  const postgres::CouponEvent& last = events.front();
  return fmt::format("{} by {} at {} (version {}): it is {}, total {}", last.operation, shown(last.actor),
                     rfc3339(last.at_ms), last.version, postgres::word(last.state.status), last.state.target_total);
}

}  // namespace

Result<Operated> lost_to(postgres::Session& pg, const postgres::CouponState& now) {
  const auto last = TRY(last_operation(pg, now));
  return Operated{Effect::kRefused,
                  fmt::format("coupon {0} was changed meanwhile: {1}. Nothing was done; look at it (flashctl coupon "
                              "show {0}) and give the command again if you still want it",
                              now.id, last)};
}

Result<Operated> undone_by(postgres::Session& pg, const postgres::CouponState& now, std::string_view what) {
  const auto last = TRY(last_operation(pg, now));
  return Operated{Effect::kOvertaken,
                  fmt::format("coupon {0}: {1}, but another operation came after it: {2}. See flashctl coupon show {0}",
                              now.id, what, last)};
}

}  // namespace flashclaim::operations
