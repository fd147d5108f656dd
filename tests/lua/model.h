// A pure model of one coupon in the Lua library: plain containers, no Redis. What the real one must agree with.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/ids.h"

namespace flashclaim {

struct ModelEntry {
  std::int64_t epoch = 1;
  std::vector<std::int64_t> users;
};

/// Where the clock of Redis stands in the coupon's window.
enum class Window { kBefore, kOpen, kAfter };

struct ModelSettings {
  std::int64_t epoch = 1, version = 1;
  std::string status = "issuing";
  std::int64_t total = 0, limit = 1, max_inflight = 1;
  Window window = Window::kOpen;
};

/// Every call returns the word of the library and changes the model the same way.
class CouponModel {
 public:
  using Refusals = std::map<int, std::string>;
  using UserNumbers = std::vector<std::pair<std::int64_t, std::int64_t>>;

  /// `entry` is the id that Redis gave, used when something was accepted. `names[i]` empty: no Idempotency-Key.
  std::vector<std::string> claim(const std::vector<std::int64_t>& users, const std::vector<std::string>& names,
                                 EntryId entry);
  /// What a claim is answered beside its verdict, led by `|`, when nobody can win now; else "".
  [[nodiscard]] std::string shut() const;
  std::string finish(std::int64_t of_epoch, EntryId entry, std::size_t n, bool fresh, const Refusals& refused);
  std::string apply(const ModelSettings& to, bool create);
  std::string fix(std::int64_t of_epoch, std::int64_t seq, std::int64_t seen, std::int64_t stock_delta,
                  std::int64_t inflight_delta);
  std::string fix_users(std::int64_t of_epoch, std::int64_t seq, const UserNumbers& deltas);
  std::string freeze();
  std::string begin(std::int64_t to_epoch);
  std::string clear_users(std::int64_t of_epoch, const std::vector<std::int64_t>& users);
  std::string load_stock(std::int64_t of_epoch, std::int64_t units);
  std::string load_users(std::int64_t of_epoch, const UserNumbers& held);
  std::string open(const ModelSettings& to);
  std::string mark_dead(EntryId entry);
  std::string mark_suspect();
  std::string retire();
  std::string purge();
  [[nodiscard]] std::string claim_view(std::int64_t of_epoch, EntryId entry, std::size_t index) const;
  /// Without the fields that the test knows better: `status total left limit mine version`.
  [[nodiscard]] std::string coupon_view(std::int64_t user) const;
  /// As the library answers reconcile_counters, reconcile_snapshot and user_counts; the parts joined by `|`. `known`:
  /// all entries up to it were met; those of the users are asked about.
  [[nodiscard]] std::string counters(std::optional<std::int64_t> since) const;
  [[nodiscard]] std::string snapshot() const;
  [[nodiscard]] std::string user_counts(const std::vector<std::int64_t>& users, EntryId known,
                                        const std::vector<EntryId>& asked) const;
  [[nodiscard]] std::string head() const;

  /// The last of the log, and what the database would hold.
  [[nodiscard]] std::vector<std::pair<EntryId, std::int64_t>> returned_since(std::int64_t since) const;
  [[nodiscard]] std::int64_t rows() const;
  static std::int64_t settled_in(const std::string& result);

  /// INV-4 at every step: stock, claims in flight and claims settled make up the total but for the drift that was
  /// injected, and so do the users' counts. Empty when it holds, else what does not.
  [[nodiscard]] std::string violated() const;
  /// What is off from now on was put there by the test (an injected drift, a loss, a load of wrong numbers).
  void accept_drift();
  [[nodiscard]] std::int64_t stock_drift() const;
  [[nodiscard]] std::int64_t inflight_drift() const;
  [[nodiscard]] std::int64_t count_drift(std::int64_t user) const;
  [[nodiscard]] bool counts_make_sense() const { return stock && status != "loading" && !status.empty(); }

  bool ready = false, issuing = false, stream = false;
  std::string status;                                    ///< empty: no hash
  std::optional<std::int64_t> epoch, version, inflight;  ///< absent in a hash that a rebuild made anew
  std::optional<std::int64_t> fix_seq, suspect, returns;
  std::int64_t added = 0;                                  ///< entries that the stream ever got
  std::vector<std::pair<EntryId, std::int64_t>> returned;  ///< the log of what finishes returned
  std::int64_t total = 0, limit = 1, max_inflight = 1;
  Window window = Window::kOpen;
  std::optional<std::int64_t> stock;
  std::map<std::int64_t, std::int64_t> counts;
  std::map<EntryId, ModelEntry> entries;
  std::map<EntryId, std::string> results;
  std::map<std::string, std::string> replays;  ///< by `<user>:<key>`
  std::set<EntryId> dead;
  EntryId last;
  std::map<std::int64_t, std::int64_t> settled;  ///< by user; what the database would hold

 private:
  [[nodiscard]] std::string gate() const;
  [[nodiscard]] std::string verdict(std::int64_t user, std::size_t accepted) const;
  std::string finish_absent(std::int64_t of_epoch, EntryId entry, bool fresh);
  void give_back(std::int64_t user);
  void take_over(const ModelSettings& to);
  [[nodiscard]] bool is_unmoved(std::int64_t of_epoch, std::int64_t seq) const;
  [[nodiscard]] bool is_loading(std::int64_t of_epoch) const { return status == "loading" && epoch == of_epoch; }

  std::int64_t accepted_stock_drift_ = 0, accepted_inflight_drift_ = 0;
  std::map<std::int64_t, std::int64_t> accepted_count_drift_;
};

}  // namespace flashclaim
