// Walks over keys that no function of the library can list: user counts, users in flight, dead entries.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/operations/pace.h"
#include "engine/redis/client.h"

namespace flashclaim::postgres {
class Session;
}

namespace flashclaim::operations {

/// `prs:coupon:{42}:prs:usr:coupon:7` -> {42, 7}; nullopt for any other name.
std::optional<std::pair<std::int64_t, std::int64_t>> parse_user_key(std::string_view key);

/// User ids by coupon.
using UsersByCoupon = std::unordered_map<std::int64_t, std::vector<std::int64_t>>;

/// Finds all users with a count key, each once, whether anything explains the key or not. One SCAN over the whole
/// keyspace: at full pace two seconds per million keys, in which Redis does little else; one call takes a millisecond
/// or two. Keys made while it runs may be missed. `coupon_id` 0: every coupon; scan once for all, not for each coupon.
Result<UsersByCoupon> scan_user_keys(redis::Client& redis, std::int64_t coupon_id = 0, const Pace& pace = Pace());

/// The users of every claim in the coupon's stream, by entry. Entries that come and go meanwhile may be missing.
Result<std::map<EntryId, std::vector<std::int64_t>>> users_in_flight(redis::Client& redis, std::int64_t coupon_id,
                                                                     const Pace& pace = Pace());

Result<std::set<EntryId>> dead_entries(redis::Client& redis, std::int64_t coupon_id);

/// The share of Redis' time that a scan of the keyspace may take.
inline constexpr double kScanShare = 0.5;

/// The same scan, at kScanShare of Redis' time.
Result<void> scan_user_keys_into(UsersByCoupon& users, redis::Client& redis, std::int64_t coupon_id);

/// How many dead entries there are, without reading them.
Result<std::int64_t> dead_count(redis::Client& redis, std::int64_t coupon_id);

/// Visits the users with a row or a recorded refusal of the coupon, in pages; a user may come twice. An error of
/// `visit` ends the walk.
using VisitUsers = std::function<Result<void>(std::span<const std::int64_t>)>;
Result<void> each_database_user(postgres::Session& pg, std::int64_t coupon_id, const VisitUsers& visit);

/// For a purge, before the database forgets the coupon: removes the counts of its users; returns how many there were.
Result<std::int64_t> delete_user_keys(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id);

}  // namespace flashclaim::operations
