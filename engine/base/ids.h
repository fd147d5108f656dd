// The identifiers of the product: coupon, user, entry and claim ids, their strict parsing and their text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flashclaim {

/// A coupon or user id: `[1-9][0-9]{0,18}`, at most 2^63-1. Anything else (`007`, `+5`, ` 1`, `0`) is nullopt.
std::optional<std::int64_t> parse_id(std::string_view text);

/// A non-negative decimal without sign, space or leading zero (but "0" itself), at most `max`.
std::optional<std::int64_t> parse_number(std::string_view text, std::int64_t max = INT64_MAX);

/// A stream entry's id, `<ms>-<seq>`: ms is Redis' wall clock in milliseconds.
struct EntryId {
  std::int64_t ms = 0;
  std::int64_t seq = 0;

  auto operator<=>(const EntryId&) const = default;
  [[nodiscard]] std::string text() const;
};
std::optional<EntryId> parse_entry_id(std::string_view text);

/// `<couponId>-<epoch>-<entryMs>-<entrySeq>-<index>`: one id from the reply through stream, message, row and poll.
struct ClaimId {
  std::int64_t coupon_id = 0;
  std::int64_t epoch = 0;
  EntryId entry;
  int index = 0;

  auto operator<=>(const ClaimId&) const = default;
  [[nodiscard]] std::string text() const;
};
std::optional<ClaimId> parse_claim_id(std::string_view text);

}  // namespace flashclaim
