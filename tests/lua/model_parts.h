// The few users and keys of the random sequences: so few that everything meets everything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flashclaim {

inline const std::vector<std::int64_t> kModelUsers{1, 2, 3, 77, INT64_MAX - 1, INT64_MAX};
inline const std::vector<std::string> kModelKeys{"", "", "a", "b"};
inline const std::vector<std::string> kModelReasons{"over_limit", "out_of_stock", "stale_epoch", "unknown_coupon",
                                                    "rejected"};

inline std::string number(std::int64_t n) { return std::to_string(n); }

/// `1 2 77`
inline std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

/// `1,2,77`
inline std::string users_text(const std::vector<std::int64_t>& users) {
  std::string text;
  for (const auto user : users) {
    text += (text.empty() ? "" : ",") + std::to_string(user);
  }
  return text;
}

}  // namespace flashclaim
