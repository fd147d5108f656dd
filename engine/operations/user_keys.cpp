// SCAN, XRANGE and pages of the database, at a pace.
#include "engine/operations/user_keys.h"

#include <algorithm>
#include <string>

#include "engine/base/try.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/ledger.h"
#include "engine/redis/keys.h"

namespace flashclaim::operations {
namespace {

constexpr std::string_view kPrefix = "prs:coupon:{";
constexpr std::string_view kMiddle = "}:prs:usr:coupon:";
constexpr std::string_view kScanCount = "250";  // Redis serves no other client during the call
constexpr std::string_view kEntriesPage = "500";
constexpr std::size_t kUnlinkChunk = 500;
constexpr int kUsersPage = 5000;

}  // namespace

std::optional<std::pair<std::int64_t, std::int64_t>> parse_user_key(std::string_view key) {
  if (!key.starts_with(kPrefix)) return std::nullopt;
  key.remove_prefix(kPrefix.size());
  const auto middle = key.find(kMiddle);
  if (middle == key.npos) return std::nullopt;
  const auto coupon = parse_id(key.substr(0, middle));
  const auto user = parse_id(key.substr(middle + kMiddle.size()));
  if (!coupon || !user) return std::nullopt;
  return std::pair(*coupon, *user);
}

Result<UsersByCoupon> scan_user_keys(redis::Client& redis, std::int64_t coupon_id, const Pace& pace) {
  const std::string pattern =
      std::string(kPrefix) + (coupon_id == 0 ? "*" : std::to_string(coupon_id)) + std::string(kMiddle) + "*";
  UsersByCoupon users;
  std::string cursor = "0";
  do {
    const auto reply = TRY(pace([&] {
      return redis::ok(redis.command({"SCAN", cursor, "MATCH", pattern, "COUNT", kScanCount, "TYPE", "string"}));
    }));
    cursor = reply[0].text();
    const redis::ReplyView keys = reply[1];
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (const auto ids = parse_user_key(keys[i].text())) users[ids->first].push_back(ids->second);
    }
  } while (cursor != "0");
  for (auto& [coupon, list] : users) {  // SCAN may return a key twice
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return users;
}

Result<void> scan_user_keys_into(UsersByCoupon& users, redis::Client& redis, std::int64_t coupon_id) {
  users = TRY(scan_user_keys(redis, coupon_id, Pace(kScanShare)));
  return {};
}

Result<std::map<EntryId, std::vector<std::int64_t>>> users_in_flight(redis::Client& redis, std::int64_t coupon_id,
                                                                     const Pace& pace) {
  const redis::CouponKeys keys(coupon_id);
  std::map<EntryId, std::vector<std::int64_t>> flying;
  std::string from = "-";
  for (;;) {
    const auto page = TRY(pace([&] {
      return redis::ok(redis.command({"XRANGE", keys.claims, from, "+", "COUNT", kEntriesPage}));
    }));
    if (page.size() == 0) return flying;
    for (std::size_t i = 0; i < page.size(); ++i) {
      const redis::ReplyView entry = page[i];
      const auto id = parse_entry_id(entry[0].text());
      if (!id) return failure("a stream entry id that is none: " + std::string(entry[0].text()));
      std::vector<std::int64_t>& users = flying[*id];
      const redis::ReplyView fields = entry[1];
      for (std::size_t field = 0; field + 1 < fields.size(); field += 2) {
        if (fields[field].text() != "u") continue;
        std::string_view text = fields[field + 1].text();
        while (!text.empty()) {
          const auto comma = std::min(text.find(','), text.size());
          const auto user = parse_id(text.substr(0, comma));
          if (!user) return failure("stream entry " + id->text() + " names a user that is none");
          users.push_back(*user);
          text.remove_prefix(std::min(comma + 1, text.size()));
        }
      }
      from = "(" + id->text();
    }
  }
}

Result<std::set<EntryId>> dead_entries(redis::Client& redis, std::int64_t coupon_id) {
  const redis::CouponKeys keys(coupon_id);
  std::set<EntryId> dead;
  std::string cursor = "0";
  do {
    const auto page = TRY(redis::ok(redis.command({"SSCAN", keys.dead, cursor, "COUNT", kEntriesPage})));
    cursor = page[0].text();
    const redis::ReplyView members = page[1];
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto id = parse_entry_id(members[i].text());
      if (!id) return failure(ErrorCode::kDamaged, "DAMAGED " + keys.dead + " holds what is no entry id");
      dead.insert(*id);
    }
  } while (cursor != "0");
  return dead;
}

Result<std::int64_t> dead_count(redis::Client& redis, std::int64_t coupon_id) {
  const auto count = TRY(redis::ok(redis.command({"SCARD", redis::CouponKeys(coupon_id).dead})));
  return count.integer();
}

Result<void> each_database_user(postgres::Session& pg, std::int64_t coupon_id, const VisitUsers& visit) {
  std::vector<std::int64_t> users;
  for (std::int64_t after = 0;;) {
    const auto page = TRY(postgres::from_sql(postgres::user_counts(pg, coupon_id, after, kUsersPage)));
    if (page.empty()) break;
    users.clear();
    for (const postgres::UserCount& count : page) users.push_back(count.user_id);
    auto visited = visit(users);
    if (!visited) return visited;
    after = page.back().user_id;
  }
  for (ClaimId after{coupon_id, 0, {0, 0}, 0};;) {
    const auto page = TRY(postgres::from_sql(postgres::refused_claims(pg, after, kUsersPage)));
    if (page.empty()) return {};
    users.clear();
    for (const postgres::RefusedClaim& claim : page) users.push_back(claim.user_id);
    auto visited = visit(users);
    if (!visited) return visited;
    after = page.back().id;
  }
}

Result<std::int64_t> delete_user_keys(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id) {
  const redis::CouponKeys names(coupon_id);
  std::int64_t deleted = 0;
  TRY(each_database_user(pg, coupon_id, [&](std::span<const std::int64_t> users) -> Result<void> {
    for (std::size_t from = 0; from < users.size(); from += kUnlinkChunk) {
      std::vector<std::string> command = {"UNLINK"};
      for (const std::int64_t user : users.subspan(from, std::min(kUnlinkChunk, users.size() - from)))
        command.push_back(names.user(user));
      const auto reply = TRY(redis::ok(redis.command(command)));
      deleted += reply.integer();
    }
    return {};
  }));
  return deleted;
}

}  // namespace flashclaim::operations
