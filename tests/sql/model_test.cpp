// Random sequences of batches and operations in PostgreSQL and on the pure model: 10,000 seeds; every answer and all
// the books compared after each step. A difference is shrunk and printed as SEED=n STEPS=…. And the test of the test:
// defects that are planted into the functions are found.
#include "tests/sql/model.h"

#include "engine/postgres/query.h"
#include "tests/harness/sequences.h"
#include "tests/harness/services.h"
#include "tests/sql/world.h"

namespace flashclaim::postgres {
namespace {

constexpr int kSeeds = 10'000;
constexpr int kSteps = 8;
constexpr int kSeedsForADefect = 1'000;
constexpr std::int64_t kUsers = 5;

/// All there is of two coupons, as DatabaseModel::books writes it: the row, one event for each version, rows, refusals.
constexpr Statement kBooks{
    "test_books",
    "SELECT coalesce((SELECT concat_ws(' ', s.status, s.epoch, s.version, s.publish_version, s.total_num, "
    "s.target_total, s.issue_num, s.user_limit, s.end_ms, (SELECT count(*) FROM coupon_event e WHERE e.coupon_id = "
    "s.id)) FROM coupon_state s WHERE s.id = i.id), '-') || ' |' || coalesce((SELECT string_agg(format(' "
    "%s-%s-%s-%s:%s:%s', epoch, entry_ms, entry_seq, entry_index, user_id, ordinal), '' ORDER BY epoch, entry_ms, "
    "entry_seq, entry_index) FROM user_coupon u WHERE u.coupon_id = i.id), '') || ' |' || coalesce((SELECT "
    "string_agg(format(' %s-%s-%s-%s:%s:%s', epoch, entry_ms, entry_seq, entry_index, user_id, reason), '' ORDER BY "
    "epoch, entry_ms, entry_seq, entry_index) FROM claim_rejection r WHERE r.coupon_id = i.id), '') "
    "FROM unnest($1::text::bigint[]) WITH ORDINALITY AS i(id, n) ORDER BY n"};

std::string text(const Words& words) {
  std::string all;
  for (const auto& one : words) all += (all.empty() ? "" : " ") + one;
  return all;
}

/// Two coupons, few users and entries, so that everything meets everything.
class RandomBooks {
 public:
  RandomBooks(Session& session, std::function<std::int64_t()> fresh_id)
      : session_(session), fresh_id_(std::move(fresh_id)) {}

  std::string run(std::uint64_t seed, const std::vector<int>& steps) {
    model_ = DatabaseModel();
    ids_ = {fresh_id_(), fresh_id_()};
    const auto begin = [this](harness::Dice& dice) {
      create(ids_[0], dice);
      operate(ids_[0], Operation::kPublish);
    };
    return harness::run_sequence(seed, steps, begin, [this](harness::Dice& dice) { step(dice); });
  }

 private:
  void step(harness::Dice& dice) {
    if (dice.roll(100) < 55) {
      settle(dice);
    } else {
      some_operation(dice);
    }
    compare_books();
  }

  void compare_books() {
    const auto seen = postgres::run(session_, kBooks, {array_param(ids_, [](std::int64_t id) { return id; })},
                                    [](const pqxx::result& rows) {
                                      return std::vector<std::string>{rows[0][0].c_str(), rows[1][0].c_str()};
                                    });
    if (!seen) throw std::runtime_error(seen.error().message);
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      harness::agree((*seen)[i], model_.books(ids_[i]), "the books after " + called_);
      harness::agree(model_.violated(ids_[i]), "", "the invariants after " + called_);
    }
  }

  void settle(harness::Dice& dice) {
    std::vector<SettleClaim> batch(static_cast<std::size_t>(1 + dice.roll(12)));
    for (SettleClaim& c : batch) {
      c = {dice.one_in(4) ? ids_[1] : ids_[0],
           1,
           {1000 + dice.roll(3), dice.roll(4)},
           static_cast<int>(dice.roll(5)),
           1 + dice.roll(kUsers)};
      if (const auto found = model_.coupons.find(c.coupon_id); found != model_.coupons.end())
        c.epoch = std::max<std::int64_t>(1, found->second.epoch + (dice.one_in(6) ? dice.roll(3) - 1 : 0));
    }
    for (std::size_t i = 1; i < batch.size(); ++i)
      if (dice.one_in(7)) batch[i] = batch[static_cast<std::size_t>(dice.roll(static_cast<std::int64_t>(i)))];
    const auto mode = dice.one_in(10) ? SettleMode::kReject : SettleMode::kSettle;
    called_ = mode == SettleMode::kReject ? "reject" : "settle";
    for (const auto& c : batch)
      called_ += " " + std::string(c.coupon_id == ids_[0] ? "A" : "B") + std::to_string(c.epoch) + "-" +
                 c.entry.text() + "-" + std::to_string(c.index) + ":" + std::to_string(c.user_id);
    const auto answer = settle_claims(session_, batch, mode);
    harness::agree(answer ? text(words(*answer)) : answer.error().message, text(words(model_.settle(batch, mode))),
                   called_);
  }

  void some_operation(harness::Dice& dice) {
    const auto id = dice.one_in(4) ? ids_[1] : ids_[0];
    const auto found = model_.coupons.find(id);
    switch (found == model_.coupons.end() && dice.one_in(2) ? 0 : dice.roll(18)) {
      case 0:
        return create(id, dice);
      case 1:
      case 2:
        return operate(id, Operation::kPublish);
      case 3:
        return operate(id, Operation::kPause);
      case 4:
        return operate(id, Operation::kResume);
      case 5:
      case 6:
        return operate(id, Operation::kEnd);
      case 7:
        return check("purge", purge_coupon(session_, id), model_.purge(id), id);
      case 8:
      case 9:
      case 10:
        return check("rebuild", begin_rebuild(session_, id), model_.begin_rebuild(id), id);
      case 11:
      case 12:
      case 13: {
        const auto version = found == model_.coupons.end() ? 1 : found->second.version - (dice.one_in(3) ? 1 : 0);
        return check("complete_cut", complete_cut(session_, id, version), model_.complete_cut(id, version), id);
      }
      default:
        return update(id, dice);
    }
  }

  void create(std::int64_t id, harness::Dice& dice) {
    const NewCoupon coupon{id, "model", dice.roll(16), dice.roll(12) == 0 ? 0 : 1 + dice.roll(3), kBeginMs, kEndMs, 9};
    check("create " + std::to_string(coupon.total_num) + " " + std::to_string(coupon.user_limit),
          create_coupon(session_, coupon), model_.create(coupon), id);
  }

  void operate(std::int64_t id, Operation operation) {
    check(std::string(word(operation)), operate_coupon(session_, id, operation), model_.operate(id, operation), id);
  }

  void update(std::int64_t id, harness::Dice& dice) {
    const auto found = model_.coupons.find(id);
    const CouponState now = found == model_.coupons.end() ? CouponState{} : found->second;
    CouponChanges to;
    if (!dice.one_in(4))
      to.total = dice.one_in(4) ? now.total_num : std::max<std::int64_t>(0, now.target_total + dice.roll(9) - 4);
    if (dice.one_in(3)) to.user_limit = std::max<std::int64_t>(0, now.user_limit + dice.roll(4) - 1);
    if (dice.one_in(5)) to.end_ms = now.end_ms + dice.roll(3) - 1;
    check("update " + (to.total ? std::to_string(*to.total) : "") + " " +
              (to.user_limit ? std::to_string(*to.user_limit) : "") + " " +
              (to.end_ms ? std::to_string(*to.end_ms) : ""),
          update_coupon(session_, id, to), model_.update(id, to), id);
  }

  /// The verdict, and the coupon that came with it.
  void check(const std::string& called, const SqlResult<Operated>& answer, const std::string& expected,
             std::int64_t id) {
    called_ = (id == ids_[0] ? "A " : "B ") + called;
    if (!answer)
      return harness::agree(answer.error().fault == SqlFault::kData ? "data" : answer.error().message, expected,
                            called_);
    const auto found = model_.coupons.find(id);
    const CouponState state = found == model_.coupons.end() ? CouponState{} : found->second;
    harness::agree(std::string(word(answer->verdict)) + " " + std::to_string(answer->state.version) + " " +
                       std::to_string(answer->state.epoch) + " " + std::string(word(answer->state.status)),
                   expected + " " + std::to_string(state.version) + " " + std::to_string(state.epoch) + " " +
                       std::string(word(state.status)),
                   called_);
  }

  Session& session_;
  std::function<std::int64_t()> fresh_id_;
  DatabaseModel model_;
  std::vector<std::int64_t> ids_;
  std::string called_;
};

class SqlModel : public SqlTest {
 protected:
  std::optional<harness::Found> look(RandomBooks& books, bool as_asked) {
    const auto run = [&](std::uint64_t seed, const std::vector<int>& steps) { return books.run(seed, steps); };
    return as_asked ? harness::search_as_asked(kSeeds, kSteps, run) : harness::search(1, kSeedsForADefect, kSteps, run);
  }
};

TEST_F(SqlModel, AgreesWithTheDatabaseOverRandomSequences) {
  query("SET synchronous_commit = off");  // nothing here crashes: no need to wait for the disk
  RandomBooks books(session(), fresh_id);
  const auto found = look(books, true);
  EXPECT_FALSE(found) << found->text();
}

/// What a function says, and what it says with the defect (everywhere it says so).
struct Defect {
  const char* name;
  const char* function;
  const char* right;
  const char* wrong;
};

std::ostream& operator<<(std::ostream& out, const Defect& defect) { return out << defect.name; }

const Defect kDefects[] = {
    {"OneTooManyForAUser", "judge_claims", "nth <= user_limit", "nth <= user_limit + 1"},
    {"OneTooManyInAll", "judge_claims", "admissible AND place <= remaining", "admissible AND place <= remaining + 1"},
    {"AnotherEpochSettles", "judge_claims", "i.epoch IS NOT DISTINCT FROM line.coupon_epoch", "line.id IS NOT NULL"},
    {"OutOfStockReadsOverLimit", "judge_claims", "admissible OR place >= remaining", "admissible"},
    {"ACopyInABatchIsNotReplayed", "judge_claims", "n <> lead AND known_user IS NULL AND lead_verdict = 'settled'",
     "false"},
    {"AClaimOfAnotherUserInTheBatch", "judge_claims", "coalesce(known_user, lead_user)", "coalesce(known_user, usr)"},
    {"ARefusalIsForgotten", "known_outcome", "SELECT r.user_id, r.reason FROM claim_rejection r\n  WHERE",
     "SELECT r.user_id, r.reason FROM claim_rejection r\n  WHERE r.reason <> 'over_limit' AND"},
    {"APurgedCouponRemembers", "judge_claims", "open AND status IS DISTINCT FROM 'purged' AS fresh", "open AS fresh"},
    {"RejectSettles", "judge_claims", "WHEN p_mode = 'reject' THEN", "WHEN p_mode = 'reject' AND NOT current THEN"},
    {"NotEveryRefusalIsRecorded", "insert_refusals", "WHERE fresh AND outcome <> 'settled'",
     "WHERE fresh AND outcome NOT IN ('settled', 'stale_epoch')"},
    {"WhatALimitedUserHoldsIsForgotten", "user_holdings", "ELSE (SELECT count(*) FROM user_coupon",
     "ELSE (SELECT 0 FROM user_coupon"},
    {"TheQuickWayForgetsARefusal", "settle_fresh", "r.coupon_id = coupon.id", "r.coupon_id = coupon.id AND false"},
    {"TheQuickWayForgetsWhatAnEntryWasRefused", "entry_was_refused", "r.entry_seq) = (e.coupon, e.epoch, e.ms, e.seq)",
     "r.entry_seq) = (e.coupon, e.epoch, e.ms, e.seq + 9)"},
    {"TheQuickWayForgetsTheLimit", "insert_next_rows", "WHERE nth <= user_limit", "WHERE nth <= user_limit + 1"},
    {"TheQuickWayForgetsWhatAUserHolds", "insert_next_rows", "v_inserted = cardinality(p_coupon)", "true"},
    {"StockOfAnotherEpoch", "count_issued", "AND coupon.epoch = line.epoch", ""},
    {"HalfABatchIsCounted", "count_issued", "(SELECT count(*) FROM line) = (SELECT count(*) FROM fit)", "true"},
    {"PublishedTwice", "operate_coupon", "WHEN v_status = v_next THEN 'unchanged'",
     "WHEN v_status = v_next THEN 'applied'"},
    {"AnEndedCouponResumes", "operate_coupon", "('paused', 'resume')", "('paused', 'resume'), ('ended', 'resume')"},
    {"ACutAtOnce", "update_coupon", "greatest(c.total_num, p_total)", "coalesce(p_total, c.total_num)"},
    {"ACutBelowWhatIsIssued", "update_coupon", "p_total < state.issue_num", "p_total < state.issue_num - 1"},
    {"ALimitThatShrinks", "update_coupon", "p_user_limit < state.user_limit OR", ""},
    {"ACutCompletedAfterAnotherOperation", "complete_cut", "state.version <> p_version", "state.version < p_version"},
    {"ARebuildWithoutEpoch", "begin_rebuild", "epoch = c.epoch + 1,", ""},
    {"PurgesWhatIsPaused", "purge_coupon", "state.status <> 'ended'", "state.status NOT IN ('ended', 'paused')"},
};

class PlantedInSql : public SqlModel, public ::testing::WithParamInterface<Defect> {};

TEST_P(PlantedInSql, IsFound) {
  const auto& [name, function, right, wrong] = GetParam();
  static const std::string kUrl = harness::PrivatePostgres::shared().migrated_database();
  auto session = Session::connect(kUrl, "planted");
  ASSERT_TRUE(session);
  query(**session, "SET synchronous_commit = off");
  const auto original = query(**session, "SELECT pg_get_functiondef('" + std::string(function) + "'::regproc)");
  auto altered = original;
  const std::string_view from = right, to = wrong;
  ASSERT_NE(altered.find(from), std::string::npos) << "the function does not say so any more: " << from;
  for (auto at = altered.find(from); at != std::string::npos; at = altered.find(from, at + to.size()))
    altered.replace(at, from.size(), to);
  query(**session, altered);
  RandomBooks books(**session, fresh_id);
  const auto found = look(books, false);
  query(**session, original);
  ASSERT_TRUE(found) << "not found in " << kSeedsForADefect << " seeds";
  std::printf("found in seed %d, %zu steps: %s\n", found->seeds_tried, found->steps.size(),
              found->difference.substr(0, found->difference.find('\n')).c_str());
}

INSTANTIATE_TEST_SUITE_P(Defects, PlantedInSql, ::testing::ValuesIn(kDefects),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace flashclaim::postgres
