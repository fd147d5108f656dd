// A stream entry and the message that mirrors it: encoding, strict decoding, checksums.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/result.h"

namespace flashclaim::mirror {

/// One entry of a coupon's stream: the accepted claims of one batch. A claim's index is its user's position.
struct EntryMessage {
  std::int64_t coupon_id = 0;
  std::int64_t epoch = 0;
  EntryId entry;
  std::vector<std::int64_t> users;

  bool operator==(const EntryMessage&) const = default;
  [[nodiscard]] std::string message_id() const;  ///< `<coupon>-<epoch>-<ms>-<seq>`
  /// Of epoch and users, as the Lua library writes it into the entry (its field `h`).
  [[nodiscard]] std::string entry_checksum() const;
  [[nodiscard]] ClaimId claim_id(int index) const { return {coupon_id, epoch, entry, index}; }
};

/// Most claims in one entry: what one call of the Lua function claim may take.
inline constexpr std::size_t kClaimsMax = 256;

/// Entry ids above this one are damage: a row stores the claim's time, and PostgreSQL's time ends a second later (in
/// the year 294276). No Redis clock reaches it.
inline constexpr std::int64_t kEntryMsMax = 9'224'318'014'999'999;

/// Longest body in bytes: 256 claims of the longest ids take half of it.
inline constexpr std::size_t kBodyMax = std::size_t{64} << 10;

/// The body: `{"v":1,"couponId":"42","epoch":1,"entryId":"…","claims":[{"claimId":"…","userId":"7","index":0}]}`.
std::string encode(const EntryMessage& message);

/// Strict: the checksum must be that of the body, every field is there once with its exact type and there is no other
/// field, claim ids agree with the other fields, indices count from 0. The error says what is wrong; of the body it
/// contains at most a field's name.
Result<EntryMessage> decode(std::string_view body, std::string_view body_checksum);

/// A stream entry's fields (`e`, `u`, `h`) as Redis returned them; verifies the checksum.
Result<EntryMessage> parse_entry(std::int64_t coupon_id, EntryId entry, std::string_view epoch, std::string_view users,
                                 std::string_view entry_checksum);

}  // namespace flashclaim::mirror
