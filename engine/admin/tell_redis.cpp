#include "engine/admin/tell_redis.h"

#include <utility>

#include "engine/base/test_point.h"

namespace flashclaim::admin {

redis::CouponSettings settings_of(const postgres::CouponState& state) {
  redis::CouponSettings settings;
  settings.coupon_id = state.id;
  settings.epoch = state.epoch;
  settings.version = state.version;
  settings.status = std::string(postgres::word(state.status));
  settings.name = state.name;
  settings.total = state.target_total;
  settings.user_limit = state.user_limit;
  settings.begin_ms = state.begin_ms;
  settings.end_ms = state.end_ms;
  settings.max_inflight = state.max_inflight;
  return settings;
}

Result<Telling> tell_redis(redis::Client& redis, postgres::Session& pg, const postgres::CouponState& state) {
  Telling telling;
  telling.state = state;
  for (;;) {
    const auto reply = redis::apply_state(redis, settings_of(telling.state), telling.state.may_create());
    if (!reply) return reply.error();
    telling.reply = *reply;
    if (telling.reply != redis::ApplyReply::kShort || telling.cut_taken_back) return telling;
    test_point("admin.cut.refused");
    postgres::CouponChanges back;
    back.total = telling.state.total_num;
    auto operated = from_sql(postgres::update_coupon(pg, telling.state.id, back));
    if (!operated) return operated.error();
    test_point("admin.cut.taken_back");
    telling.state = operated->state;
    telling.cut_taken_back = true;
  }
}

}  // namespace flashclaim::admin
