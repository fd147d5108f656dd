#include "engine/admin/user_keys.h"

#include <algorithm>
#include <string>

#include "engine/redis/keys.h"

namespace flashclaim::admin {
namespace {

constexpr std::string_view kPrefix = "prs:coupon:{";
constexpr std::string_view kMiddle = "}:prs:usr:coupon:";
constexpr std::string_view kScanCount = "500";  // below a millisecond, in which Redis serves nobody else
constexpr std::string_view kEntriesPage = "500";
constexpr std::size_t kUnlinkChunk = 500;

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
    const auto reply = pace([&] {
      return redis::ok(redis.command({"SCAN", cursor, "MATCH", pattern, "COUNT", kScanCount, "TYPE", "string"}));
    });
    if (!reply) return reply.error();
    cursor = (*reply)[0].text();
    const redis::ReplyView keys = (*reply)[1];
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

Result<std::map<EntryId, std::vector<std::int64_t>>> users_in_flight(redis::Client& redis, std::int64_t coupon_id) {
  const redis::CouponKeys keys(coupon_id);
  std::map<EntryId, std::vector<std::int64_t>> flying;
  std::string from = "-";
  for (;;) {
    const auto page = redis::ok(redis.command({"XRANGE", keys.claims, from, "+", "COUNT", kEntriesPage}));
    if (!page) return page.error();
    if (page->size() == 0) return flying;
    for (std::size_t i = 0; i < page->size(); ++i) {
      const redis::ReplyView entry = (*page)[i];
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
  const auto members = redis::ok(redis.command({"SMEMBERS", keys.dead}));
  if (!members) return members.error();
  std::set<EntryId> dead;
  for (std::size_t i = 0; i < members->size(); ++i) {
    const auto id = parse_entry_id((*members)[i].text());
    if (!id) return failure(keys.dead + " holds what is no entry id");
    dead.insert(*id);
  }
  return dead;
}

Result<std::int64_t> delete_user_keys(redis::Client& redis, std::int64_t coupon_id) {
  const redis::CouponKeys names(coupon_id);
  auto scanned = scan_user_keys(redis, coupon_id);
  if (!scanned) return scanned.error();
  const std::vector<std::int64_t>& users = (*scanned)[coupon_id];
  for (std::size_t from = 0; from < users.size(); from += kUnlinkChunk) {
    std::vector<std::string> command = {"UNLINK"};
    for (std::size_t i = from; i < std::min(users.size(), from + kUnlinkChunk); ++i) {
      command.push_back(names.user(users[i]));
    }
    const auto reply = redis::ok(redis.command(command));
    if (!reply) return reply.error();
  }
  return static_cast<std::int64_t>(users.size());
}

}  // namespace flashclaim::admin
