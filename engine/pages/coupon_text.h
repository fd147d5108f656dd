// What a coupon looks like in answers: its JSON, its entity tag, and whether a client has it already.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/redis/functions.h"

namespace flashclaim::pages {

/// One coupon. `mine`: the caller's own count, nullopt when nobody in particular asks.
std::string coupon_json(std::int64_t coupon_id, const redis::CouponView& view, std::int64_t server_time_ms,
                        std::optional<std::int64_t> mine);
/// The same without serverTimeMs, as an item of a list.
std::string coupon_item(std::int64_t coupon_id, const redis::CouponView& view);

/// Weak: it stands for everything but serverTimeMs, which is a clock and in a header of its own as well.
std::string coupon_tag(const redis::CouponView& view, std::optional<std::int64_t> mine);
/// Weak, of any text.
std::string text_tag(std::string_view text);
/// `If-None-Match` against a tag, by weak comparison; `*` matches.
bool tag_matches(std::string_view if_none_match, std::string_view tag);

}  // namespace flashclaim::pages
