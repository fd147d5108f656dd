// Reads coupon receipts (who received which coupon on which day) from CSV, strictly: a replay of half a file proves
// nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace flashclaim::bench {

struct Receipt {
  std::int64_t user_id = 0;
  std::int64_t coupon_id = 0;
  int date_received = 0;  ///< YYYYMMDD

  bool operator==(const Receipt&) const = default;
};

/// First line `user_id,coupon_id,date_received`, then one receipt a line; lines end with LF (the last one need not).
/// Ids as everywhere in the product, the date a real calendar day as YYYYMMDD. No quotes, blanks or empty lines.
/// The error names the line and what is wrong with it. An empty list of receipts is an error.
Result<std::vector<Receipt>> parse_receipts(std::string_view text);

/// The same for a file; the error begins with its path.
Result<std::vector<Receipt>> read_receipts(const std::string& path);

}  // namespace flashclaim::bench
