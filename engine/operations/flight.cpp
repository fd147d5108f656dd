// Reads the stream with XRANGE, page after page, and sorts users only when they are asked for.
#include "engine/operations/flight.h"

#include <algorithm>
#include <limits>
#include <string>

#include "engine/base/try.h"
#include "engine/mirror/message.h"

namespace flashclaim::operations {
namespace {

constexpr std::size_t kPage = 500;  ///< entries in one XRANGE: well below a millisecond of one claim, about two of 256
constexpr std::size_t kLivingPage = 100;
constexpr std::size_t kShortPart = 10'000;

std::string field(redis::ReplyView fields, std::string_view name) {
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    if (fields[i].text() == name) return std::string(fields[i + 1].text());
  }
  return {};
}

std::string above(EntryId entry) { return "(" + entry.text(); }

}  // namespace

Flight::Flight(redis::Client& client, std::int64_t coupon_id, const Pace& pace, bool users)
    : client_(client), coupon_id_(coupon_id), keys_(coupon_id), pace_(pace), users_(users) {}

Result<bool> Flight::read_page(EntryId last, Rest rest) {
  if (known_ >= last) return false;
  const auto ask = [&] {
    return redis::ok(
        client_.command({"XRANGE", keys_.claims, above(known_), last.text(), "COUNT", std::to_string(kPage)}));
  };
  const auto page = TRY(rest == Rest::kPaced ? pace_(ask) : ask());
  for (std::size_t i = 0; i < page.size(); ++i) {
    TRY(take(page[i]));
  }
  if (page.size() == kPage) return true;
  // The stream has nothing more up to `last`, and never will. Without a bound only what was met is known.
  if (last.ms != std::numeric_limits<std::int64_t>::max()) known_ = last;
  return false;
}

Result<void> Flight::take(redis::ReplyView entry) {
  const auto id = parse_entry_id(entry[0].text());
  const redis::ReplyView fields = entry[1];
  if (!id || fields.size() != 6) return failure(ErrorCode::kDamaged, "DAMAGED entry");
  const auto message = mirror::parse_entry(coupon_id_, *id, field(fields, "e"), field(fields, "u"), field(fields, "h"));
  if (!message) return failure(ErrorCode::kDamaged, "DAMAGED entry");
  entries_.push_back(*id);
  claims_ += static_cast<std::int64_t>(message->users.size());
  known_ = *id;
  if (users_) {
    for (const std::int64_t user : message->users) by_user_.emplace_back(user, *id);
  }
  return {};
}

bool Flight::met(EntryId entry) const { return std::binary_search(entries_.begin(), entries_.end(), entry); }

/// Merges the short part into the long one only when it has grown: a running sale adds to it all the time.
void Flight::sort(bool whole) {
  const auto middle = by_user_.begin() + static_cast<std::ptrdiff_t>(long_part_);
  if (in_order_ < by_user_.size()) std::sort(middle, by_user_.end());
  in_order_ = by_user_.size();
  if (!whole && by_user_.size() - long_part_ < kShortPart + long_part_ / 8) return;
  std::inplace_merge(by_user_.begin(), middle, by_user_.end());
  long_part_ = by_user_.size();
}

std::vector<EntryId> Flight::of_user(std::int64_t user) {
  sort(false);
  std::vector<EntryId> entries;
  const auto middle = by_user_.begin() + static_cast<std::ptrdiff_t>(long_part_);
  const auto add = [&](auto from, auto to) {
    for (auto at = std::lower_bound(from, to, Claim{user, EntryId{}}); at != to && at->first == user; ++at)
      entries.push_back(at->second);
  };
  add(by_user_.begin(), middle);
  add(middle, by_user_.end());
  return entries;
}

std::vector<std::int64_t> Flight::users() {
  sort(true);
  std::vector<std::int64_t> users;
  for (const Claim& claim : by_user_) {
    if (users.empty() || users.back() != claim.first) users.push_back(claim.first);
  }
  return users;
}

Result<std::optional<EntryId>> oldest_living(redis::Client& client, std::int64_t coupon_id, EntryId last) {
  const redis::CouponKeys keys(coupon_id);
  std::string from = "-";
  for (;;) {
    const auto page = TRY(
        redis::ok(client.command({"XRANGE", keys.claims, from, last.text(), "COUNT", std::to_string(kLivingPage)})));
    std::vector<std::string> asked = {"SMISMEMBER", keys.dead};
    for (std::size_t i = 0; i < page.size(); ++i) asked.emplace_back(page[i][0].text());
    if (page.size() == 0) return std::optional<EntryId>();
    const auto dead = TRY(redis::ok(client.command(asked)));
    for (std::size_t i = 0; i < page.size(); ++i) {
      if (dead[i].integer() == 0) return parse_entry_id(asked[i + 2]);
    }
    from = "(" + asked.back();
  }
}

}  // namespace flashclaim::operations
