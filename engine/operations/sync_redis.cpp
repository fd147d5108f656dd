// Sends the state, then checks whether a newer one has to be sent.
#include "engine/operations/sync_redis.h"

#include <utility>

#include "engine/base/test_point.h"
#include "engine/base/try.h"

namespace flashclaim::operations {

redis::CouponSettings settings_of(const postgres::CouponState& state) {
  redis::CouponSettings settings;
  settings.coupon_id = state.id;
  settings.epoch = state.epoch;
  settings.version = state.version;
  // Redis has no status for a tombstone: a purged coupon is sent as ended.
  const bool purged = state.status == postgres::CouponStatus::kPurged;
  settings.status = std::string(postgres::word(purged ? postgres::CouponStatus::kEnded : state.status));
  settings.name = state.name;
  settings.total = state.target_total;
  settings.user_limit = state.user_limit;
  settings.begin_ms = state.begin_ms;
  settings.end_ms = state.end_ms;
  settings.max_inflight = state.max_inflight;
  return settings;
}

namespace {

constexpr int kTellsMax = 16;  ///< other operators may change the coupon meanwhile; each of them updates Redis too

/// Takes back a cut that did not fit, to the total before it; only while no other operation came after it.
Result<void> take_back(postgres::Session& pg, Synced& synced) {
  test_point("admin.cut.refused");
  postgres::CouponChanges back;
  back.total = synced.state.total_num;
  back.seen = synced.state.version;
  const auto operated = TRY(postgres::from_sql(postgres::update_coupon(pg, synced.state.id, back)));
  test_point("admin.cut.taken_back");
  const bool moved = !postgres::is_success(operated.verdict);
  synced.state = operated.state;
  synced.overtaken = synced.overtaken || moved;
  synced.cut_taken_back = synced.cut_taken_back || !moved;
  return {};
}

}  // namespace

Result<Synced> sync_redis(redis::Client& redis, postgres::Session& pg, const postgres::CouponState& state) {
  Synced synced;
  synced.state = state;
  for (int told = 0; told < kTellsMax; ++told) {
    synced.reply = TRY(redis::apply_state(redis, settings_of(synced.state), synced.state.may_create()));
    if (synced.reply == redis::ApplyReply::kShort) {
      TRY(take_back(pg, synced));
      continue;
    }
    const auto now = TRY(postgres::from_sql(postgres::coupon_state(pg, state.id)));
    if (!now.has_value() || now->version <= synced.state.version) return synced;
    synced.state = *now;
    synced.overtaken = true;
  }
  return synced;
}

}  // namespace flashclaim::operations
