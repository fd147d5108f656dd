// Reads one page of coupons from the database and asks Redis about all of them in one pipeline.
#include "engine/operations/patrol.h"

#include <optional>

#include "engine/base/ids.h"
#include "engine/base/try.h"
#include "engine/operations/state_difference.h"
#include "engine/operations/sync_redis.h"
#include "engine/redis/keys.h"

namespace flashclaim::operations {
namespace {

/// An error reply is about one damaged key: its coupon is treated, and reported, like a suspect.
bool worth_a_look(const postgres::CouponState& state, const redis::Reply& mark, const redis::Reply& shown) {
  if (mark.is_error() || shown.is_error()) return true;
  if (parse_number(mark.text()).value_or(0) > 0) return true;
  redis::CouponView view;
  const auto seen = redis::parse_coupon_view(shown.view(), view);
  if (!seen) return true;
  const bool heard = *seen == redis::ViewState::kFound && view.version == state.version;
  return heard && !state_difference(state, view).empty();
}

}  // namespace

Result<Patrol> patrol(redis::Client& redis, postgres::Session& pg, std::int64_t after, int limit) {
  const auto page = TRY(postgres::from_sql(postgres::list_coupons(pg, after, limit)));
  Patrol seen;
  if (static_cast<int>(page.size()) == limit) seen.next = page.back().id;
  for (const postgres::CouponState& state : page) {
    if (state.publish_version == 0) continue;
    const redis::CouponKeys keys(state.id);
    redis.append({"HGET", keys.coupon, "suspect"});
    redis.append(redis::coupon_view_command(keys, 0));
  }
  std::optional<Error> error;
  for (const postgres::CouponState& state : page) {
    if (state.publish_version == 0) continue;
    const auto mark = redis.read();
    const auto shown = redis.read();
    if (!mark || !shown) {
      error = mark ? shown.error() : mark.error();
    } else if (worth_a_look(state, *mark, *shown)) {
      seen.to_mend.push_back(state.id);
    }
  }
  if (error) return *error;
  return seen;
}

}  // namespace flashclaim::operations
