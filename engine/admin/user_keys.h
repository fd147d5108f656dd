// Walks over keys that no function of the library can list: user counts, users in flight, dead entries.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/admin/pace.h"
#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/redis/client.h"

namespace flashclaim::admin {

/// `prs:coupon:{42}:prs:usr:coupon:7` -> {42, 7}; nullopt for any other name.
std::optional<std::pair<std::int64_t, std::int64_t>> parse_user_key(std::string_view key);

/// User ids by coupon.
using UsersByCoupon = std::unordered_map<std::int64_t, std::vector<std::int64_t>>;

/// One SCAN over the whole keyspace (at full pace about a second per million keys, in which Redis does little else):
/// whoever has a count key, each once. Keys made while it runs may be missed. `coupon_id` 0: of every coupon.
Result<UsersByCoupon> scan_user_keys(redis::Client& redis, std::int64_t coupon_id = 0, const Pace& pace = Pace());

/// The users of every claim in the coupon's stream, by entry. Entries that come and go meanwhile may or may not be in.
Result<std::map<EntryId, std::vector<std::int64_t>>> users_in_flight(redis::Client& redis, std::int64_t coupon_id);

Result<std::set<EntryId>> dead_entries(redis::Client& redis, std::int64_t coupon_id);

/// For a purge: removes the user counts of a coupon; returns how many.
Result<std::int64_t> delete_user_keys(redis::Client& redis, std::int64_t coupon_id);

}  // namespace flashclaim::admin
