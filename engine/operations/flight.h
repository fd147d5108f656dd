// Walks over a coupon's stream page by page: finds what may be in flight without blocking Redis, however long it is.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"
#include "engine/operations/pace.h"
#include "engine/redis/client.h"
#include "engine/redis/keys.h"

namespace flashclaim::operations {

/// Remembers each entry that it met, and on request the users in it. Entries leave a stream, but none is added below
/// its last id: so every entry that is in flight up to `known()` at any later moment was met. Belongs to one thread;
/// client and pace must outlive it.
class Flight {
 public:
  Flight(redis::Client& client, std::int64_t coupon_id, const Pace& pace, bool users);

  enum class Rest { kPaced, kNone };
  /// Reads one page, up to `last`; false when the stream had no more. Fails with DAMAGED when an entry is not what the
  /// Lua library writes. Rest::kNone: for the few latest entries, without the pause that the pace demands.
  Result<bool> read_page(EntryId last, Rest rest = Rest::kPaced);

  /// Every entry up to this id was met, or had left the stream before.
  [[nodiscard]] EntryId known() const { return known_; }
  /// In id order.
  [[nodiscard]] const std::vector<EntryId>& entries() const { return entries_; }
  [[nodiscard]] bool met(EntryId entry) const;
  [[nodiscard]] std::int64_t claims() const { return claims_; }

  using Claim = std::pair<std::int64_t, EntryId>;  ///< user, entry
  /// The entries of one user's claims, one for each claim.
  [[nodiscard]] std::vector<EntryId> of_user(std::int64_t user);
  /// The users of all entries that were met, each once, ascending.
  [[nodiscard]] std::vector<std::int64_t> users();

 private:
  Result<void> take(redis::ReplyView entry);
  void sort(bool whole);

  redis::Client& client_;
  const std::int64_t coupon_id_;
  const redis::CouponKeys keys_;
  const Pace& pace_;
  const bool users_;
  EntryId known_;
  std::vector<EntryId> entries_;
  std::int64_t claims_ = 0;
  std::vector<Claim> by_user_;  ///< two parts, each in order after sort(): a long one, and what came lately
  std::size_t long_part_ = 0;
  std::size_t in_order_ = 0;
};

/// The oldest entry up to `last` that is not dead, if there is one: a drain waits for it. Stops at the first it finds.
Result<std::optional<EntryId>> oldest_living(redis::Client& client, std::int64_t coupon_id, EntryId last);

}  // namespace flashclaim::operations
