// The coupons of a storm: which are open, what they may give out, and which totals Redis may have had at which time.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <random>
#include <vector>

namespace flashclaim::chaos {

/// A value that was asked for at `since_ms` and is certainly gone at `until_ms`: in between Redis may have had it.
struct Term {
  std::int64_t value = 0;
  std::int64_t since_ms = 0;
  std::int64_t until_ms = std::numeric_limits<std::int64_t>::max();
};

struct Terms {
  std::vector<Term> totals;
  std::vector<Term> limits;
};

/// The lowest value that may have been in force at some moment of [from_ms, to_ms].
std::int64_t lowest(const std::vector<Term>& terms, std::int64_t from_ms, std::int64_t to_ms);

/// Every method: any thread.
class Sale {
 public:
  struct Coupon {
    std::int64_t id = 0;
    std::int64_t limit = 1;
    int weight = 1;  ///< how much of the crowd wants it
  };

  void open(const Coupon& coupon, std::int64_t total);
  /// The crowd turns away; late claims are still judged.
  void forget(std::int64_t id);
  [[nodiscard]] std::vector<Coupon> coupons() const;
  [[nodiscard]] std::vector<std::int64_t> ids() const;  ///< all that ever were

  // A command that changes a coupon begins, and ends known to have been carried out.
  void total_asked(std::int64_t id, std::int64_t total);
  void total_set(std::int64_t id, std::int64_t total);
  void limit_asked(std::int64_t id, std::int64_t limit);
  void limit_set(std::int64_t id, std::int64_t limit);
  [[nodiscard]] bool undecided(std::int64_t id) const;              ///< more than one total may be in force
  [[nodiscard]] std::int64_t highest_total(std::int64_t id) const;  ///< of those that may be in force
  [[nodiscard]] std::map<std::int64_t, Terms> terms() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Coupon> open_;
  std::map<std::int64_t, Terms> terms_;
};

}  // namespace flashclaim::chaos
