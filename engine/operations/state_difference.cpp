// Compares field by field, and names the first difference.
#include "engine/operations/state_difference.h"

#include <spdlog/fmt/fmt.h>

#include "engine/base/rfc3339.h"

namespace flashclaim::operations {
namespace {

std::string differs(std::string_view what, std::string_view in_redis, std::string_view in_database) {
  return fmt::format("Redis has {} {}, the database {}", what, in_redis, in_database);
}

std::string differs(std::string_view what, std::int64_t in_redis, std::int64_t in_database) {
  return differs(what, std::to_string(in_redis), std::to_string(in_database));
}

bool same_status(const postgres::CouponState& state, const redis::CouponView& view) {
  const bool over = view.now_ms >= state.end_ms;
  return view.status == postgres::word(state.status) || (over && view.status == "ended");
}

}  // namespace

std::string state_difference(const postgres::CouponState& state, const redis::CouponView& view) {
  if (!same_status(state, view)) return differs("status", view.status, postgres::word(state.status));
  if (view.total != state.target_total) return differs("total", view.total, state.target_total);
  if (view.user_limit != state.user_limit) return differs("user limit", view.user_limit, state.user_limit);
  if (view.begin_ms != state.begin_ms) return differs("begin", rfc3339(view.begin_ms), rfc3339(state.begin_ms));
  if (view.end_ms != state.end_ms) return differs("end", rfc3339(view.end_ms), rfc3339(state.end_ms));
  if (view.name != state.name) return "Redis has another name than the database";
  return "";
}

}  // namespace flashclaim::operations
