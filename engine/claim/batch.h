// A batch of claims of one coupon: the FCALL that it becomes, preformatted as it fills, and who waits for which word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/http/server.h"
#include "engine/redis/keys.h"

namespace flashclaim::claim {

struct Waiter {
  http::Exchange exchange;
  std::int64_t since_us = 0;
};

/// Used again and again, for one coupon after another: its buffers keep their capacity.
class Batch {
 public:
  /// Empties it and writes the part of the command that all batches of a coupon share.
  void begin(const redis::CouponKeys& keys);
  /// `user`: checked digits. `key`: checked, or empty. Both are copied. Precondition: not full().
  void add(const Waiter& waiter, std::string_view user, std::string_view key);
  /// The RESP of `FCALL claim …`; valid until the next call.
  [[nodiscard]] std::string_view command();

  [[nodiscard]] bool full() const;
  [[nodiscard]] const std::vector<Waiter>& waiters() const { return waiters_; }

 private:
  std::string resp_;  ///< begins with room for `*<n>\r\n`, which is known last
  std::vector<Waiter> waiters_;
};

}  // namespace flashclaim::claim
