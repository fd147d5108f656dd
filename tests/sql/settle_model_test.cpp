// Random batches through settle_claims and through the plain model: the same answers, and the same books at the end.
#include "tests/sql/settle_model.h"

#include <cstdlib>
#include <random>

#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

constexpr int kSeeds = 300;
constexpr int kStepsPerSeed = 12;

/// One sequence: few coupons, users and entries, so that everything meets everything.
class Sequence {
 public:
  Sequence(Session& session, std::uint64_t seed, std::vector<std::int64_t> ids)
      : session_(session), random_(seed), ids_(std::move(ids)) {}

  /// False after the first difference.
  bool run() {
    for (std::size_t i = 0; i + 1 < ids_.size(); ++i) create(ids_[i]);  // the last one stays unknown for a while
    for (int step = 0; step < kStepsPerSeed && !::testing::Test::HasFailure(); ++step) {
      if (pick(4) == 0) operate();
      settle();
    }
    return !::testing::Test::HasFailure();
  }
  const SettleModel& model() const { return model_; }

 private:
  std::int64_t pick(std::int64_t n) { return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random_); }
  std::int64_t any_coupon() { return ids_[static_cast<std::size_t>(pick(static_cast<std::int64_t>(ids_.size())))]; }

  void create(std::int64_t id) {
    const std::int64_t total = 1 + pick(20), limit = 1 + pick(3);
    auto created = create_coupon(session_, {id, "model", total, limit, kBeginMs, kEndMs, 1000});
    ASSERT_TRUE(created && created->verdict == Verdict::kApplied);
    ASSERT_TRUE(operate_coupon(session_, id, Operation::kPublish));
    model_.coupons[id] = {total, limit, 1, 0, false};
  }

  void operate() {
    const std::int64_t id = any_coupon();
    auto found = model_.coupons.find(id);
    if (found == model_.coupons.end()) return create(id);
    auto& coupon = found->second;
    if (coupon.purged) return;
    switch (pick(8)) {
      case 0:
      case 1:
      case 2:
        coupon.total += 1 + pick(5);
        ASSERT_TRUE(update_coupon(session_, id, {.total = coupon.total}));
        break;
      case 3:
      case 4:
        ++coupon.user_limit;
        ASSERT_TRUE(update_coupon(session_, id, {.user_limit = coupon.user_limit}));
        break;
      case 5:
      case 6:
        ++coupon.epoch;
        ASSERT_TRUE(begin_rebuild(session_, id));
        break;
      case 7:
        purge(id);
        break;
    }
  }

  void purge(std::int64_t id) {
    ASSERT_TRUE(operate_coupon(session_, id, Operation::kEnd));
    auto purged = purge_coupon(session_, id);
    ASSERT_TRUE(purged && purged->verdict == Verdict::kApplied);
    model_.coupons[id].purged = true;
    std::erase_if(model_.known, [&](const auto& k) { return k.first.coupon_id == id; });
  }

  void settle() {
    std::vector<SettleClaim> batch(static_cast<std::size_t>(1 + pick(30)));
    for (SettleClaim& c : batch) {
      c = {any_coupon(), 1, {1000 + pick(4), pick(12)}, static_cast<int>(pick(12)), 1 + pick(12)};
      if (auto found = model_.coupons.find(c.coupon_id); found != model_.coupons.end())
        c.epoch = std::max<std::int64_t>(1, found->second.epoch + (pick(6) == 0 ? pick(3) - 1 : 0));
    }
    for (std::size_t i = 1; i < batch.size(); ++i)
      if (pick(8) == 0) batch[i] = batch[static_cast<std::size_t>(pick(static_cast<std::int64_t>(i)))];
    const SettleMode mode = pick(10) == 0 ? SettleMode::kReject : SettleMode::kSettle;
    auto answer = settle_claims(session_, batch, mode);
    ASSERT_TRUE(answer) << answer.error().message;
    ASSERT_EQ(words(*answer), words(model_.settle(batch, mode)));
  }

  Session& session_;
  std::mt19937_64 random_;
  std::vector<std::int64_t> ids_;
  SettleModel model_;
};

class SettleClaimsModel : public SqlTest {
 protected:
  void expect_same_books(const SettleModel& model) {
    for (const auto& [id, coupon] : model.coupons) {
      if (coupon.purged) continue;
      const auto settled = std::count_if(model.known.begin(), model.known.end(), [&, id = id](const auto& k) {
        return k.first.coupon_id == id && k.second.outcome == Outcome::kSettled;
      });
      const auto all = std::count_if(model.known.begin(), model.known.end(),
                                     [&, id = id](const auto& k) { return k.first.coupon_id == id; });
      EXPECT_EQ(settled, coupon.issued);
      expect_books(id, settled, all - settled);
      for (std::int64_t user = 1; user <= 12; ++user) {
        std::vector<int> expected;
        for (int i = 1; i <= model.rows_of(id, user); ++i) expected.push_back(i);
        EXPECT_EQ(ordinals(id, user), expected);
      }
    }
  }
};

TEST_F(SettleClaimsModel, AgreesOverRandomSequences) {
  const char* wanted = std::getenv("FLASHCLAIM_SEED");
  const std::uint64_t first = wanted ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
  const int seeds = wanted ? 1 : kSeeds;
  query(session(), "SET synchronous_commit = off");  // nothing here crashes: no need to wait for the disk
  for (std::uint64_t seed = first; seed < first + static_cast<std::uint64_t>(seeds); ++seed) {
    SCOPED_TRACE("again with FLASHCLAIM_SEED=" + std::to_string(seed));
    Sequence sequence(session(), seed, {fresh_id(), fresh_id(), fresh_id()});
    ASSERT_TRUE(sequence.run());
    expect_same_books(sequence.model());
  }
}

}  // namespace
}  // namespace flashclaim::postgres
