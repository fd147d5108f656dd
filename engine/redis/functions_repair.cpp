// Calls of reconcile and rebuild.
#include "engine/base/try.h"
#include "engine/redis/functions.h"
#include "engine/redis/settings.h"
#include "engine/redis/words.h"

namespace flashclaim::redis {

namespace {

constexpr Words<FixReply, 2> kFixReplies{{{FixReply::kFixed, "FIXED"}, {FixReply::kMoved, "MOVED"}}};
constexpr Words<BeginReply, 4> kBeginReplies{{
    {BeginReply::kBegun, "BEGUN"},
    {BeginReply::kNotLoading, "NOT_LOADING"},
    {BeginReply::kNotDrained, "NOT_DRAINED"},
    {BeginReply::kEpoch, "EPOCH"},
}};
constexpr Words<OpenReply, 3> kOpenReplies{{
    {OpenReply::kOpen, "OPEN"},
    {OpenReply::kRefused, "REFUSED"},
    {OpenReply::kNotReady, "NOT_READY"},
}};
constexpr Words<bool, 2> kCleared{{{true, "CLEARED"}, {false, "REFUSED"}}};
constexpr Words<bool, 2> kLoadedWords{{{true, "LOADED"}, {false, "REFUSED"}}};

/// NO_COUPON and NOT_READY: Redis does not hold the coupon's numbers.
bool holds_nothing(ReplyView reply) { return reply.text() == "NO_COUPON" || reply.text() == "NOT_READY"; }

Counters read_counters(WordReader& head) {
  Counters seen;
  seen.epoch = head.number();
  seen.version = head.number();
  seen.fix_seq = head.number();
  seen.suspect = head.number();
  seen.stock = head.number();
  seen.total = head.number();
  seen.inflight = head.number();
  seen.last = head.entry();
  seen.length = head.number();
  seen.added = head.number();
  seen.returns = head.number();
  seen.status = std::string(next_word(head.text));
  return seen;
}

std::vector<EntryInFlight> read_entries(WordReader& list) {
  std::vector<EntryInFlight> entries;
  while (list.good && !list.text.empty()) {
    const EntryId entry = list.entry();
    entries.push_back({entry, list.number()});
  }
  return entries;
}

}  // namespace

std::string_view word(FixReply reply) { return word_of(reply, kFixReplies); }
std::string_view word(BeginReply reply) { return word_of(reply, kBeginReplies); }
std::string_view word(OpenReply reply) { return word_of(reply, kOpenReplies); }

std::vector<std::string> reconcile_counters_command(const CouponKeys& keys) {
  return fcall_ro("reconcile_counters", {keys.coupon, keys.stock, keys.claims});
}

Result<std::optional<Counters>> parse_counters(ReplyView reply) {
  if (reply.is_error()) return error_of(reply);
  if (holds_nothing(reply)) return std::optional<Counters>();
  WordReader head{reply[0].text()};
  Counters seen = read_counters(head);
  if (!head.good) return failure("reconcile_counters: unexpected reply");
  return std::optional(std::move(seen));
}

Result<std::optional<Counters>> reconcile_counters(Client& client, std::int64_t coupon_id) {
  const auto reply = TRY(client.command(reconcile_counters_command(CouponKeys(coupon_id))));
  return parse_counters(reply.view());
}

Result<std::optional<CountersSince>> reconcile_counters_since(Client& client, std::int64_t coupon_id,
                                                              std::int64_t returns) {
  const CouponKeys keys(coupon_id);
  const auto reply = TRY(ok(client.command(
      fcall_ro("reconcile_counters", {keys.coupon, keys.stock, keys.claims}, {std::to_string(returns)}))));
  if (holds_nothing(reply.view())) return std::optional<CountersSince>();
  CountersSince since;
  since.forgotten = reply.text() == "FORGOTTEN";
  if (since.forgotten) return std::optional(std::move(since));
  WordReader head{reply[0].text()};
  WordReader list{reply[1].text()};
  since.now = read_counters(head);
  since.returned = read_entries(list);
  if (!head.good || !list.good) return failure("reconcile_counters: unexpected reply");
  return std::optional(std::move(since));
}

Result<std::optional<Snapshot>> reconcile_snapshot(Client& client, std::int64_t coupon_id) {
  const CouponKeys keys(coupon_id);
  const auto reply = TRY(ok(client.command(fcall_ro("reconcile_snapshot", {keys.coupon, keys.stock, keys.claims}))));
  return parse_snapshot(reply.view());
}

Result<std::optional<Snapshot>> parse_snapshot(ReplyView reply) {
  if (holds_nothing(reply)) return std::optional<Snapshot>();
  Snapshot seen;
  seen.too_many = reply.text() == "TOO_MANY";
  if (seen.too_many) return std::optional(std::move(seen));
  WordReader head{reply[0].text()};
  WordReader list{reply[1].text()};
  static_cast<Counters&>(seen) = read_counters(head);
  seen.entries = read_entries(list);
  if (!head.good || !list.good) return failure("reconcile_snapshot: unexpected reply");
  return std::optional<Snapshot>(std::move(seen));
}

Result<FixReply> reconcile_fix(Client& client, std::int64_t coupon_id, const Counters& seen, std::int64_t stock_delta,
                               std::int64_t inflight_delta) {
  const CouponKeys keys(coupon_id);
  return word_reply(
      client.command(fcall("reconcile_fix", {keys.coupon, keys.stock},
                           {std::to_string(seen.epoch), std::to_string(seen.fix_seq), std::to_string(seen.suspect),
                            std::to_string(stock_delta), std::to_string(inflight_delta)})),
      "reconcile_fix", kFixReplies);
}

Result<std::optional<UserCounts>> user_counts(Client& client, std::int64_t coupon_id, EntryId known,
                                              std::span<const std::int64_t> users, std::span<const EntryId> entries) {
  const CouponKeys keys(coupon_id);
  std::vector<std::string> arguments = {known.text(), std::to_string(users.size())};
  for (const auto user : users) arguments.push_back(std::to_string(user));
  for (const auto& entry : entries) arguments.push_back(entry.text());
  const auto reply = TRY(ok(client.command(fcall_ro("user_counts", {keys.coupon, keys.claims}, std::move(arguments)))));
  return parse_user_counts(reply.view(), users.size(), entries.size());
}

Result<std::optional<UserCounts>> parse_user_counts(ReplyView reply, std::size_t users, std::size_t entries) {
  if (holds_nothing(reply)) return std::optional<UserCounts>();
  UserCounts found;
  found.behind = reply.text() == "BEHIND";
  if (found.behind) return std::optional(std::move(found));
  WordReader head{reply[0].text()};
  found.epoch = head.number();
  found.fix_seq = head.number();
  found.last = head.entry();
  WordReader counts{reply[1].text()};
  while (counts.good && !counts.text.empty()) found.counts.push_back(counts.number());
  WordReader present{reply[2].text()};
  while (present.good && !present.text.empty()) found.present.push_back(present.number() == 1);
  WordReader list{reply[3].text()};
  while (list.good && !list.text.empty()) {
    const EntryId entry = list.entry();
    found.in_flight.push_back({entry, list.number()});
  }
  if (!head.good || !counts.good || !present.good || !list.good || found.counts.size() != users ||
      found.present.size() != entries) {
    return failure("user_counts: unexpected reply");
  }
  return std::optional<UserCounts>(std::move(found));
}

Result<FixReply> user_counts_fix(Client& client, std::int64_t coupon_id, std::int64_t epoch, std::int64_t fix_seq,
                                 std::span<const UserDelta> deltas) {
  std::vector<std::string> arguments{std::to_string(epoch), std::to_string(fix_seq)};
  for (const auto& [user, delta] : deltas) {
    arguments.push_back(std::to_string(user));
    arguments.push_back(std::to_string(delta));
  }
  return word_reply(client.command(fcall("user_counts_fix", {CouponKeys(coupon_id).coupon}, std::move(arguments))),
                    "user_counts_fix", kFixReplies);
}

Result<std::int64_t> rebuild_freeze(Client& client, std::int64_t coupon_id) {
  const CouponKeys keys(coupon_id);
  auto reply = TRY(ok(client.command(fcall("rebuild_freeze", {keys.coupon, keys.claims}))));
  std::string_view text = reply.text();
  const bool frozen = next_word(text) == "FROZEN";
  const auto entries = parse_number(text);
  if (!frozen || !entries) return failure("rebuild_freeze: unexpected reply");
  return *entries;
}

Result<BeginReply> rebuild_begin(Client& client, std::int64_t coupon_id, std::int64_t new_epoch) {
  const CouponKeys keys(coupon_id);
  return word_reply(client.command(fcall("rebuild_begin", {keys.coupon, keys.stock, keys.claims, keys.dead},
                                         {std::to_string(new_epoch)})),
                    "rebuild_begin", kBeginReplies);
}

Result<bool> rebuild_clear_users(Client& client, std::int64_t coupon_id, std::int64_t epoch,
                                 std::span<const std::string> user_keys) {
  std::vector<std::string> keys{CouponKeys(coupon_id).coupon};
  keys.insert(keys.end(), user_keys.begin(), user_keys.end());
  return word_reply(client.command(fcall("rebuild_clear_users", keys, {std::to_string(epoch)})), "rebuild_clear_users",
                    kCleared);
}

Result<bool> rebuild_load_stock(Client& client, std::int64_t coupon_id, std::int64_t epoch, std::int64_t stock) {
  const CouponKeys keys(coupon_id);
  return word_reply(client.command(fcall("rebuild_load_stock", {keys.coupon, keys.stock},
                                         {std::to_string(epoch), std::to_string(stock)})),
                    "rebuild_load_stock", kLoadedWords);
}

Result<bool> rebuild_load_users(Client& client, std::int64_t coupon_id, std::int64_t epoch,
                                std::span<const UserCount> counts) {
  std::vector<std::string> arguments{std::to_string(epoch)};
  for (const auto& [user, count] : counts) {
    arguments.push_back(std::to_string(user));
    arguments.push_back(std::to_string(count));
  }
  return word_reply(client.command(fcall("rebuild_load_users", {CouponKeys(coupon_id).coupon}, std::move(arguments))),
                    "rebuild_load_users", kLoadedWords);
}

Result<OpenReply> rebuild_open(Client& client, const CouponSettings& settings) {
  const CouponKeys keys(settings.coupon_id);
  return word_reply(client.command(fcall("rebuild_open", {keys.coupon, keys.stock, keys.claims, std::string(kIssuing)},
                                         settings_arguments(settings))),
                    "rebuild_open", kOpenReplies);
}

}  // namespace flashclaim::redis
