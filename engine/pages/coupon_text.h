// A coupon in answers: its JSON, its entity tag, and whether a client has it already.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/redis/functions.h"

namespace flashclaim::pages {

/// The user who asks, and how many units are accepted for that user.
struct Holder {
  std::int64_t user_id = 0;
  std::int64_t count = 0;
};

/// One coupon; nullopt: no user asks. The page stores its open claim under the `userId` in this answer.
std::string coupon_json(std::int64_t coupon_id, const redis::CouponView& view, std::int64_t server_time_ms,
                        const std::optional<Holder>& holder);
/// The same without serverTimeMs, as an item of a list.
std::string coupon_item(std::int64_t coupon_id, const redis::CouponView& view);

/// Weak: it covers everything but serverTimeMs, which changes always and has a header of its own.
std::string coupon_tag(const redis::CouponView& view, const std::optional<Holder>& holder);
/// Weak, of any text.
std::string text_tag(std::string_view text);
/// `If-None-Match` against a tag, by weak comparison; `*` matches.
bool tag_matches(std::string_view if_none_match, std::string_view tag);

}  // namespace flashclaim::pages
