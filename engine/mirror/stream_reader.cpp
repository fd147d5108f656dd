// XREADGROUP, XACK, XAUTOCLAIM and XINFO, one call for many streams where Redis allows it.
#include "engine/mirror/stream_reader.h"

#include <unordered_set>

#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/mirror/entries.h"
#include "engine/redis/errors.h"
#include "engine/redis/functions.h"
#include "engine/redis/keys.h"

namespace flashclaim::mirror {

Result<std::vector<std::int64_t>> StreamReader::issuing() { return redis::issuing_coupons(client_); }

Result<std::string> StreamReader::replication_id() {
  auto reply = TRY(redis::ok(client_.command({"INFO", "replication"})));
  constexpr std::string_view kLabel = "master_replid:";
  auto text = reply.text();
  auto at = text.find(kLabel);
  if (at == std::string_view::npos) return failure("INFO replication: no master_replid");
  text.remove_prefix(at + kLabel.size());
  return std::string(text.substr(0, text.find('\r')));
}

Result<Reading> StreamReader::read_new(std::span<const std::int64_t> coupons, std::size_t count, int block_ms) {
  std::vector<Position> positions;
  positions.reserve(coupons.size());
  for (auto coupon : coupons) positions.push_back({coupon, {}});
  return read_group(positions, count, block_ms, true);
}

Result<Reading> StreamReader::read_own(std::span<const Position> positions, std::size_t count) {
  return read_group(positions, count, 0, false);
}

Result<redis::Reply> StreamReader::ask_group(std::span<const Position> positions, std::size_t count, int block_ms,
                                             bool fresh) {
  std::vector<std::string> argv = {"XREADGROUP", "GROUP", std::string(redis::kMirrorGroup),
                                   consumer_,    "COUNT", std::to_string(count)};
  if (block_ms > 0) {
    argv.emplace_back("BLOCK");
    argv.push_back(std::to_string(block_ms));
  }
  argv.emplace_back("STREAMS");
  for (const Position& position : positions) argv.push_back(redis::CouponKeys(position.coupon_id).claims);
  for (const Position& position : positions) argv.push_back(fresh ? ">" : position.after.text());
  return client_.command(argv);
}

Result<Reading> StreamReader::read_group(std::span<const Position> positions, std::size_t count, int block_ms,
                                         bool fresh) {
  Reading reading;
  if (positions.empty()) return reading;
  auto reply = ask_group(positions, count, block_ms, fresh);
  if (reply && reply->error_code() == "NOGROUP") {
    auto living = TRY(still_issuing(positions, reading));
    TRY(make_groups(living, reading));
    if (living.empty()) return reading;
    reply = ask_group(living, count, 0, fresh);
  }
  if (!reply) return reply.error();
  if (reply->is_error()) {
    // A stream disappeared during the blocking read: its coupon was purged. (A primary that became a replica sends the
    // same error, and closes the connection.)
    if (reply->error_code() == "UNBLOCKED") {
      auto living = still_issuing(positions, reading);
      return living ? Result<Reading>(std::move(reading)) : living.error();
    }
    if (redis::is_about_all(reply->view())) return redis::error_of(reply->view());
    // One damaged key fails the whole command: read each stream by itself.
    if (positions.size() > 1) {
      auto singly = read_singly(positions, count, fresh);
      if (singly) singly->healed.insert(singly->healed.end(), reading.healed.begin(), reading.healed.end());
      return singly;
    }
    reading.unreadable.push_back(positions[0].coupon_id);
    return reading;
  }
  for (std::size_t i = 0; i < reply->size(); ++i)
    if (auto coupon = coupon_of_key((*reply)[i][0].text())) append_entries((*reply)[i][1], *coupon, reading.entries);
  return reading;
}

/// Those of the positions whose coupons are still in the set; the others are `gone`. A stream of theirs is not made
/// again.
Result<std::vector<Position>> StreamReader::still_issuing(std::span<const Position> positions, Reading& into) {
  auto coupons = TRY(issuing());
  const std::unordered_set<std::int64_t> present(coupons.begin(), coupons.end());
  std::vector<Position> living;
  for (const Position& position : positions) {
    if (present.contains(position.coupon_id)) {
      living.push_back(position);
    } else {
      into.gone.push_back(position.coupon_id);
    }
  }
  return living;
}

Result<Reading> StreamReader::read_singly(std::span<const Position> positions, std::size_t count, bool fresh) {
  Reading all;
  for (const Position& position : positions) {
    auto one = read_group({&position, 1}, count, 0, fresh);
    if (!one) return one;
    std::move(one->entries.begin(), one->entries.end(), std::back_inserter(all.entries));
    all.unreadable.insert(all.unreadable.end(), one->unreadable.begin(), one->unreadable.end());
    all.healed.insert(all.healed.end(), one->healed.begin(), one->healed.end());
    all.gone.insert(all.gone.end(), one->gone.begin(), one->gone.end());
  }
  return all;
}

Result<void> StreamReader::make_groups(std::span<const Position> positions, Reading& into) {
  for (const Position& position : positions)
    client_.append(
        {"XGROUP", "CREATE", redis::CouponKeys(position.coupon_id).claims, redis::kMirrorGroup, "0", "MKSTREAM"});
  Result<void> outcome;
  for (const Position& position : positions) {
    auto reply = client_.read();
    if (!reply) {
      outcome = reply.error();
    } else if (redis::is_about_all(reply->view())) {
      outcome = redis::error_of(reply->view());
    } else if (!reply->is_error()) {
      into.healed.push_back(position.coupon_id);
    }  // BUSYGROUP: the group exists; any other error shows again, and is judged, at the next read
  }
  return outcome;
}

Result<Reading> StreamReader::take_over(Position from, int idle_ms, std::size_t count, EntryId& next) {
  Reading reading;
  next = {};
  auto reply =
      TRY(client_.command({"XAUTOCLAIM", redis::CouponKeys(from.coupon_id).claims, redis::kMirrorGroup, consumer_,
                           std::to_string(idle_ms), from.after.text(), "COUNT", std::to_string(count)}));
  if (reply.is_error()) return reading;  // NOGROUP or a damaged key: the next read finds and treats it
  if (auto cursor = parse_entry_id(reply[0].text())) next = *cursor;
  append_entries(reply[1], from.coupon_id, reading.entries);
  return reading;
}

Result<std::vector<Unacknowledged>> StreamReader::of_others(std::int64_t coupon_id) {
  const std::string stream = redis::CouponKeys(coupon_id).claims;
  std::vector<Unacknowledged> others;
  auto summary = TRY(client_.command({"XPENDING", stream, redis::kMirrorGroup}));
  if (summary.is_error()) return others;  // as in take_over
  const auto consumers = summary[3];      // [consumer, how many], nil: none
  for (std::size_t i = 0; i < consumers.size(); ++i) {
    const std::string name(consumers[i][0].text());
    if (name == consumer_) continue;
    others.push_back({name, {}, 0});
    client_.append({"XPENDING", stream, redis::kMirrorGroup, "-", "+", "1", name});
  }
  Result<void> outcome;
  for (Unacknowledged& other : others) {
    auto first = client_.read();
    if (!first) {
      outcome = first.error();
    } else if (const auto id = first->size() == 1 ? parse_entry_id((*first)[0][0].text()) : std::nullopt) {
      other.oldest = *id;
      other.deliveries = (*first)[0][3].integer();
    }
  }
  if (!outcome) return outcome.error();
  std::erase_if(others, [](const Unacknowledged& other) { return other.deliveries == 0; });
  return others;
}

Result<Reading> StreamReader::take_over_from(std::int64_t coupon_id, const std::string& consumer, EntryId last,
                                             std::size_t count) {
  Reading reading;
  const std::string stream = redis::CouponKeys(coupon_id).claims;
  auto list = TRY(
      client_.command({"XPENDING", stream, redis::kMirrorGroup, "-", last.text(), std::to_string(count), consumer}));
  if (list.is_error()) return reading;
  for (std::size_t i = 0; i < list.size(); ++i)
    client_.append({"XAUTOCLAIM", stream, redis::kMirrorGroup, consumer_, "0", list[i][0].text(), "COUNT", "1"});
  Result<void> outcome;
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto taken = client_.read();
    if (!taken) {
      outcome = taken.error();
    } else if (!taken->is_error()) {
      append_entries((*taken)[1], coupon_id, reading.entries);
    }
  }
  if (!outcome) return outcome.error();
  return reading;
}

Result<Reading> StreamReader::range(std::int64_t coupon_id, EntryId first, EntryId last, std::size_t count) {
  Reading reading;
  auto reply = TRY(client_.command(
      {"XRANGE", redis::CouponKeys(coupon_id).claims, first.text(), last.text(), "COUNT", std::to_string(count)}));
  if (reply.is_error()) {
    reading.unreadable.push_back(coupon_id);
  } else {
    append_entries(reply.view(), coupon_id, reading.entries);
  }
  return reading;
}

Result<std::uint64_t> StreamReader::acknowledge(const Acknowledgements& entries) {
  constexpr std::size_t kIdsMax = 1024;  // of one command
  std::size_t commands = 0;
  for (const auto& [coupon, ids] : entries) {
    const redis::CouponKeys keys(coupon);
    for (std::size_t at = 0; at < ids.size(); at += kIdsMax, ++commands) {
      std::vector<std::string> argv = {"XACK", keys.claims, std::string(redis::kMirrorGroup)};
      for (std::size_t i = at; i < std::min(at + kIdsMax, ids.size()); ++i) argv.push_back(ids[i].text());
      client_.append(argv);
    }
  }
  client_.send();
  test_point("mirror.ack.sent");
  std::uint64_t removed = 0;
  Result<void> outcome;
  for (; commands > 0; --commands) {
    auto reply = client_.read();
    if (!reply) {
      outcome = reply.error();
    } else if (reply->is_error() && redis::is_about_all(reply->view())) {
      outcome = redis::error_of(reply->view());
    } else {
      removed += static_cast<std::uint64_t>(reply->integer());
    }
  }
  if (!outcome) return outcome.error();
  return removed;
}

Result<Depth> StreamReader::read_depth(std::int64_t coupon_id) {
  Depth depth;
  depth.coupon_id = coupon_id;
  auto stream = client_.read();
  auto groups = client_.read();
  if (!stream || !groups) return !stream ? stream.error() : groups.error();
  read_stream_info(stream->view(), depth);
  for (std::size_t i = 0; i < groups->size(); ++i) read_group_info((*groups)[i], depth);
  return depth;
}

Result<std::vector<Depth>> StreamReader::depths(std::span<const std::int64_t> coupons) {
  for (auto coupon : coupons) {
    const redis::CouponKeys keys(coupon);
    client_.append({"XINFO", "STREAM", keys.claims});
    client_.append({"XINFO", "GROUPS", keys.claims});
  }
  std::vector<Depth> out;
  Result<void> outcome;
  for (auto coupon : coupons) {
    auto depth = read_depth(coupon);
    if (depth) {
      out.push_back(*depth);
    } else {
      outcome = depth.error();
    }
  }
  if (!outcome) return outcome.error();
  return out;
}

}  // namespace flashclaim::mirror
