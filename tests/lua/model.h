// A pure model of one coupon in the Lua library: plain containers, no Redis. What the real one must agree with.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/base/ids.h"

namespace flashclaim {

struct ModelEntry {
  std::vector<std::int64_t> users;
};

/// Every call returns the word of the library and changes the model the same way. The window is always open.
class CouponModel {
 public:
  /// `entry` is the id that Redis gave, used when something was accepted. `keys[i]` empty: no Idempotency-Key.
  std::vector<std::string> claim(const std::vector<std::int64_t>& users, const std::vector<std::string>& keys,
                                 EntryId entry);
  std::string finish(std::int64_t epoch, EntryId entry, std::size_t n, bool fresh,
                     const std::map<int, std::string>& refused);
  std::string apply(std::int64_t epoch, std::int64_t version, const std::string& status, std::int64_t total,
                    std::int64_t limit, std::int64_t max_inflight);
  std::string fix(std::int64_t epoch, std::int64_t fix_seq, std::int64_t suspect, std::int64_t stock_delta,
                  std::int64_t inflight_delta);
  std::string fix_user(std::int64_t epoch, std::int64_t fix_seq, std::int64_t user, std::int64_t delta);
  std::string freeze();
  std::string begin(std::int64_t epoch);
  std::string load_stock(std::int64_t epoch, std::int64_t units);
  std::string load_user(std::int64_t epoch, std::int64_t user, std::int64_t count);
  std::string open(std::int64_t epoch, std::int64_t version, const std::string& status, std::int64_t total,
                   std::int64_t limit, std::int64_t max_inflight);
  std::string mark_dead(EntryId entry);
  std::string retire();

  /// Stock, claims in flight and claims settled make up the total, and no count is off: INV-4, at every step. Empty
  /// when it holds, else what does not. Only while every repair corrected a drift that there was.
  [[nodiscard]] std::string violated() const;

  std::string status;
  std::int64_t epoch = 1, version = 1, total = 0, limit = 1, inflight = 0, max_inflight = 1, suspect = 0, fix_seq = 0;
  std::optional<std::int64_t> stock;
  std::map<std::int64_t, std::int64_t> counts;
  std::map<EntryId, ModelEntry> entries;
  std::map<EntryId, std::string> results;
  std::map<std::string, std::string> replays;  ///< `<user>:<key>`
  std::set<EntryId> dead;
  EntryId last;
  bool issuing = true;
  std::map<std::int64_t, std::int64_t> settled;  ///< by user; what the database would hold
  std::int64_t stock_drift = 0;                  ///< injected and not corrected yet

 private:
  std::string verdict(std::int64_t user, std::size_t accepted) const;
};

}  // namespace flashclaim
