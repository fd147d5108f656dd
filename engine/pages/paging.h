// Where a page of a list begins and how long it is, as queries say it.
#pragma once

#include <optional>
#include <string_view>

#include "engine/claim/archive.h"

namespace flashclaim::pages {

inline constexpr int kLimitDefault = 20;
inline constexpr int kLimitMax = 100;

/// `limit=1` to kLimitMax; kLimitDefault when there is none. nullopt: it is malformed, or there twice.
std::optional<int> parse_limit(std::string_view query);

/// The same and `after=<couponId>-<ordinal>`: the `next` of the page before.
std::optional<claim::HeldRange> parse_held_range(std::string_view query);

}  // namespace flashclaim::pages
