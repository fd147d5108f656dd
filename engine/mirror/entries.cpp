// Checks the shape of each reply; an entry that does not fit is reported as damaged.
#include "engine/mirror/entries.h"

#include "engine/redis/keys.h"

namespace flashclaim::mirror {
namespace {

Seen read_fields(redis::ReplyView item, std::int64_t coupon_id, EntryId entry) {
  Seen seen{coupon_id, entry, std::nullopt, {}};
  auto fields = item[1];
  if (fields.is_nil()) return seen;
  std::optional<std::string_view> epoch, users, sum;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    auto name = fields[i].text();
    auto* into = name == "e" ? &epoch : name == "u" ? &users : name == "h" ? &sum : nullptr;
    if (into != nullptr) *into = fields[i + 1].text();
  }
  if (fields.size() != 6 || !epoch || !users || !sum) {
    seen.damage = "the fields are not e, u, h";
    return seen;
  }
  auto message = parse_entry(coupon_id, entry, *epoch, *users, *sum);
  if (message) {
    seen.message = std::move(*message);
  } else {
    seen.damage = message.error().message;
  }
  return seen;
}

}  // namespace

std::optional<std::int64_t> coupon_of_key(std::string_view key) {
  auto open = key.find('{');
  auto close = key.find('}');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  return parse_id(key.substr(open + 1, close - open - 1));
}

Result<Seen> read_entry(std::int64_t coupon_id, redis::ReplyView item) {
  const auto entry = parse_entry_id(item[0].text());
  if (!entry) return failure("a stream entry id that is none");
  return read_fields(item, coupon_id, *entry);
}

void append_entries(redis::ReplyView list, std::int64_t coupon_id, std::vector<Seen>& out) {
  for (std::size_t i = 0; i < list.size(); ++i)
    if (auto entry = parse_entry_id(list[i][0].text())) out.push_back(read_fields(list[i], coupon_id, *entry));
}

void read_stream_info(redis::ReplyView stream, Depth& depth) {
  for (std::size_t i = 0; i + 1 < stream.size(); i += 2) {
    const auto name = stream[i].text();
    const auto value = stream[i + 1];
    if (name == "length") depth.length = value.integer();
    if (name == "max-deleted-entry-id") depth.finished = parse_entry_id(value.text()).value_or(EntryId{});
    if (name == "first-entry") depth.oldest = parse_entry_id(value[0].text());
  }
}

void read_group_info(redis::ReplyView group, Depth& depth) {
  bool ours = false;
  std::optional<std::int64_t> lag;
  Depth found = depth;
  for (std::size_t i = 0; i + 1 < group.size(); i += 2) {
    auto name = group[i].text();
    auto value = group[i + 1];
    if (name == "name") ours = value.text() == redis::kMirrorGroup;
    if (name == "pending") found.pending = value.integer();
    if (name == "last-delivered-id") found.last_read = parse_entry_id(value.text()).value_or(EntryId{});
    if (name == "lag" && !value.is_nil()) lag = value.integer();
  }
  if (!ours) return;
  depth = found;
  depth.has_group = true;
  // Redis gives no lag when unread entries were deleted: the length is an upper bound.
  depth.unread = lag.value_or(depth.length);
}

}  // namespace flashclaim::mirror
