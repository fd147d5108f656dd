// Writes the JSON by hand, makes the entity tag from version, status and stock, and compares it with If-None-Match.
#include "engine/pages/coupon_text.h"

#include <spdlog/fmt/fmt.h>

#include "engine/base/json.h"
#include "engine/base/log.h"

namespace flashclaim::pages {
namespace {

void append_coupon(std::string& out, std::int64_t coupon_id, const redis::CouponView& view) {
  out += fmt::format(R"("couponId":"{}","name":)", coupon_id);
  append_json_string(out, view.name);
  out += R"(,"status":)";
  append_json_string(out, view.status);
  out += fmt::format(R"(,"beginsAtMs":{},"endsAtMs":{})", view.begin_ms, view.end_ms);
}

void append_amounts(std::string& out, const redis::CouponView& view) {
  out += fmt::format(R"(,"total":{},"left":{},"userLimit":{})", view.total, view.left, view.user_limit);
}

std::string_view without_weakness(std::string_view tag) {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  return tag;
}

}  // namespace

std::string coupon_json(std::int64_t coupon_id, const redis::CouponView& view, std::int64_t server_time_ms,
                        const std::optional<Holder>& holder) {
  std::string out = "{";
  append_coupon(out, coupon_id, view);
  out += fmt::format(R"(,"serverTimeMs":{})", server_time_ms);
  append_amounts(out, view);
  if (holder) out += fmt::format(R"(,"userId":"{}","mine":{})", holder->user_id, holder->count);
  return out + '}';
}

std::string coupon_item(std::int64_t coupon_id, const redis::CouponView& view) {
  std::string out = "{";
  append_coupon(out, coupon_id, view);
  append_amounts(out, view);
  return out + '}';
}

std::string coupon_tag(const redis::CouponView& view, const std::optional<Holder>& holder) {
  std::string tag = fmt::format("W/\"{}-{}-{}", view.version, view.status, view.left);
  if (holder) tag += fmt::format("-{}-{}", holder->user_id, holder->count);
  return tag + '"';
}

std::string text_tag(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return fmt::format("W/\"{:016x}\"", hash);
}

bool tag_matches(std::string_view if_none_match, std::string_view tag) {
  tag = without_weakness(tag);
  while (!if_none_match.empty()) {
    const auto comma = if_none_match.find(',');  // our tags hold none
    std::string_view one = if_none_match.substr(0, comma);
    if_none_match.remove_prefix(comma == std::string_view::npos ? if_none_match.size() : comma + 1);
    while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
    while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
    if (one == "*" || without_weakness(one) == tag) return true;
  }
  return false;
}

}  // namespace flashclaim::pages
