// What every test of the database needs: one migrated database of this process, fresh coupons, claims, and outcomes as
// text.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/postgres/coupons.h"
#include "engine/postgres/ledger.h"
#include "engine/postgres/session.h"
#include "engine/postgres/settle.h"

namespace flashclaim::postgres {

/// An outcome's word, with a `*` when it is fresh: `settled*`, `replayed`, `over_limit*`.
using Words = std::vector<std::string>;

inline constexpr std::int64_t kBeginMs = 1'795'380'024'805;
inline constexpr std::int64_t kEndMs = kBeginMs + 86'400'000;

/// Claim `index` of the entry `ms`-`seq` of epoch 1.
SettleClaim claim(std::int64_t coupon, std::int64_t user, std::int64_t ms, int index = 0, std::int64_t seq = 0);

Words words(const std::vector<Settled>& outcomes);

/// The database is shared by the tests of the process; every test has coupons of its own.
class SqlTest : public ::testing::Test {
 protected:
  SqlTest();

  static const std::string& url();
  static std::unique_ptr<Session> connect(std::string_view name = "test_sql");
  Session& session() { return *session_; }
  /// Another database for the rest of this test.
  void use(const std::string& url);

  /// A draft with an id that no other test has.
  std::int64_t draft(std::int64_t total, std::int64_t user_limit);
  /// The same, published.
  std::int64_t coupon(std::int64_t total, std::int64_t user_limit);
  static std::int64_t fresh_id();

  /// Settles and expects an answer.
  Words settle(std::span<const SettleClaim> claims, SettleMode mode = SettleMode::kSettle);
  Words settle(std::initializer_list<SettleClaim> claims, SettleMode mode = SettleMode::kSettle);
  CouponState state(std::int64_t id);
  /// The ordinals of the user's rows, in order.
  std::vector<int> ordinals(std::int64_t coupon, std::int64_t user);
  /// INV-1, INV-2 and "never both" of INV-3 over the rows; issue_num = rows = `settled`, refusals = `refused`.
  void expect_books(std::int64_t coupon, std::int64_t settled, std::int64_t refused);

  /// Runs `sql`, expects success and returns the first field of the first row (or "").
  std::string query(const std::string& sql) { return query(*session_, sql); }
  static std::string query(Session& session, const std::string& sql);
  /// Runs `sql` and returns its error.
  static SqlError refused(Session& session, const std::string& sql);

 private:
  std::unique_ptr<Session> session_;
};

}  // namespace flashclaim::postgres
