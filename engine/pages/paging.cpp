// Parses `limit` and the cursor, within their bounds.
#include "engine/pages/paging.h"

#include "engine/base/ids.h"
#include "engine/http/query.h"

namespace flashclaim::pages {

std::optional<int> parse_limit(std::string_view query) {
  const http::QueryMatch limit = http::query_parameter(query, "limit");
  if (limit.count == 0) return kLimitDefault;
  const auto wanted = limit.count == 1 ? parse_number(limit.value, kLimitMax) : std::nullopt;
  if (!wanted || *wanted < 1) return std::nullopt;
  return static_cast<int>(*wanted);
}

std::optional<claim::HeldRange> parse_held_range(std::string_view query) {
  claim::HeldRange range;
  const auto limit = parse_limit(query);
  const http::QueryMatch after = http::query_parameter(query, "after");
  if (!limit || after.count > 1) return std::nullopt;
  range.limit = *limit;
  if (after.count == 0) return range;
  const auto dash = after.value.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto coupon = parse_id(after.value.substr(0, dash));
  const auto ordinal = parse_number(after.value.substr(dash + 1), INT32_MAX);
  if (!coupon || !ordinal || *ordinal < 1) return std::nullopt;
  range.after_coupon = *coupon;
  range.after_ordinal = *ordinal;
  return range;
}

}  // namespace flashclaim::pages
