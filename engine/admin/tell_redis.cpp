#include "engine/admin/tell_redis.h"

#include <utility>

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

Result<Told> tell_redis(redis::Client& redis, postgres::Session& pg, const postgres::CouponState& state) {
  Told told;
  told.state = state;
  for (;;) {
    const auto reply = redis::apply_state(redis, settings_of(told.state), told.state.may_create());
    if (!reply) return reply.error();
    told.reply = *reply;
    if (told.reply != redis::ApplyReply::kShort || told.cut_taken_back) return told;
    postgres::CouponChanges back;
    back.total = told.state.total_num;
    auto operated = from_sql(postgres::update_coupon(pg, told.state.id, back));
    if (!operated) return operated.error();
    told.state = operated->state;
    told.cut_taken_back = true;
  }
}

}  // namespace flashclaim::admin
