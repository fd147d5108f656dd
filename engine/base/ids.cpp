// Strict parsing of ids; see ids.h.
#include "engine/base/ids.h"

#include <charconv>

namespace flashclaim {

std::optional<std::int64_t> parse_number(std::string_view text, std::int64_t max) {
  if (text.empty() || text.size() > 19 || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  for (char c : text)
    if (c < '0' || c > '9') return std::nullopt;
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_id(std::string_view text) {
  auto value = parse_number(text);
  return value && *value > 0 ? value : std::nullopt;
}

std::string EntryId::text() const { return std::to_string(ms) + '-' + std::to_string(seq); }

std::optional<EntryId> parse_entry_id(std::string_view text) {
  auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  auto ms = parse_number(text.substr(0, dash));
  auto seq = parse_number(text.substr(dash + 1));
  if (!ms || !seq) return std::nullopt;
  return EntryId{*ms, *seq};
}

std::string ClaimId::text() const {
  return std::to_string(coupon_id) + '-' + std::to_string(epoch) + '-' + entry.text() + '-' + std::to_string(index);
}

std::optional<ClaimId> parse_claim_id(std::string_view text) {
  constexpr int kParts = 5;
  std::int64_t parts[kParts];
  for (int i = 0; i < kParts; ++i) {
    auto end = i + 1 < kParts ? text.find('-') : text.size();
    if (end == std::string_view::npos) return std::nullopt;
    // The epoch and the index are 32 bits wide in the database: more was never given out.
    const bool small = i == 1 || i == kParts - 1;
    auto part = parse_number(text.substr(0, end), small ? INT32_MAX : INT64_MAX);
    if (!part) return std::nullopt;
    parts[i] = *part;
    text.remove_prefix(i + 1 < kParts ? end + 1 : end);
  }
  if (parts[0] == 0 || parts[1] == 0) return std::nullopt;
  return ClaimId{parts[0], parts[1], {parts[2], parts[3]}, static_cast<int>(parts[4])};
}

}  // namespace flashclaim
