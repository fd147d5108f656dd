// The steps of a rebuild in their order, and the search for coupons that Redis lacks.
#include "engine/operations/rebuild.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>
#include <thread>

#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/operations/flight.h"
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"
#include "engine/postgres/ledger.h"

namespace flashclaim::operations {
namespace {

using std::chrono::steady_clock;

constexpr auto kDrainLook = std::chrono::milliseconds(100);
constexpr int kEpochTriesMax = 64;  ///< a database restored from an older backup is that many rebuilds behind at most
constexpr int kTakeBackTries = 16;  ///< operations may come between
constexpr EntryId kNoEnd{std::numeric_limits<std::int64_t>::max(), 0};

/// One rebuild of one coupon. A step returns false when the outcome is known and the later steps must not run.
class Rebuild {
 public:
  Rebuild(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id, const RebuildOptions& options)
      : redis_(redis), pg_(pg), options_(options) {
    report_.coupon_id = coupon_id;
  }
  Result<RebuildReport> run();

 private:
  using Step = Result<bool> (Rebuild::*)();

  Result<bool> known();
  Result<bool> drain();
  Result<bool> begin();
  Result<bool> clear();
  Result<bool> load_users();
  Result<bool> load_stock();
  Result<bool> open();

  Result<void> take_back_what_does_not_fit();
  Result<void> forget_if_purged();
  bool stop(RebuildOutcome outcome);
  bool must(bool accepted) { return accepted || stop(RebuildOutcome::kRaced); }

  redis::Client& redis_;
  postgres::Session& pg_;
  const RebuildOptions& options_;
  RebuildReport report_;
  postgres::CouponState state_;
};

bool Rebuild::stop(RebuildOutcome outcome) {
  report_.outcome = outcome;
  return false;
}

Result<bool> Rebuild::known() {
  const auto state = TRY(postgres::from_sql(postgres::coupon_state(pg_, report_.coupon_id)));
  if (!state.has_value()) return stop(RebuildOutcome::kNotFound);
  const bool issued = state->publish_version > 0 && state->status != postgres::CouponStatus::kPurged;
  return issued || stop(RebuildOutcome::kNeverIssued);
}

/// Freezes the coupon (may be repeated), and waits until mirror and consumer have emptied its stream.
Result<bool> Rebuild::drain() {
  const auto deadline = steady_clock::now() + options_.drain;
  for (;;) {
    const auto entries = TRY(redis::rebuild_freeze(redis_, report_.coupon_id));
    report_.entries_left = entries;
    test_point("admin.rebuild.frozen");
    if (entries == 0) return true;
    const auto living = TRY(oldest_living(redis_, report_.coupon_id, kNoEnd));
    if (!living.has_value()) {  // only dead entries are left, or none
      const auto left = TRY(redis::rebuild_freeze(redis_, report_.coupon_id));
      report_.entries_left = left;
      return left == 0 || stop(RebuildOutcome::kDeadLetters);
    }
    if (steady_clock::now() >= deadline) return stop(RebuildOutcome::kNotDrained);
    std::this_thread::sleep_for(kDrainLook);
  }
}

/// epoch + 1 in the database: the fence. From here on nothing of an older epoch can settle, so the database's rows are
/// final and can be loaded. The rebuild that raised the epoch last is responsible for the coupon: if another rebuild
/// opened it under an older epoch meanwhile, it is frozen and drained again. So the coupon ends open under the
/// database's epoch, or frozen.
Result<bool> Rebuild::begin() {
  test_point("admin.rebuild.drained");
  for (int attempt = 0; attempt < kEpochTriesMax; ++attempt) {
    const auto begun = TRY(postgres::from_sql(postgres::begin_rebuild(pg_, report_.coupon_id)));
    if (!postgres::is_success(begun.verdict)) return stop(RebuildOutcome::kNeverIssued);
    state_ = begun.state;
    report_.epoch = state_.epoch;
    test_point("admin.rebuild.epoch_raised");
    const auto reply = TRY(redis::rebuild_begin(redis_, report_.coupon_id, state_.epoch));
    test_point("admin.rebuild.begun");
    if (reply == redis::BeginReply::kBegun) return true;
    if (reply == redis::BeginReply::kEpoch) continue;  // Redis is ahead of the database: raise it once more
    const auto drained = drain();
    if (!drained || !*drained) return drained;
  }
  return stop(RebuildOutcome::kRaced);
}

Result<bool> Rebuild::clear() {
  UsersByCoupon scanned;
  if (options_.counted == nullptr) {
    TRY(scan_user_keys_into(scanned, redis_, report_.coupon_id));
  }
  const UsersByCoupon& counted = options_.counted != nullptr ? *options_.counted : scanned;
  const auto found = counted.find(report_.coupon_id);
  const std::vector<std::int64_t> users = found == counted.end() ? std::vector<std::int64_t>() : found->second;
  const redis::CouponKeys names(report_.coupon_id);
  for (std::size_t from = 0; from < users.size(); from += redis::kUserChunkMax) {
    std::vector<std::string> keys;
    for (std::size_t i = from; i < std::min(users.size(), from + redis::kUserChunkMax); ++i) {
      keys.push_back(names.user(users[i]));
    }
    const auto cleared = TRY(redis::rebuild_clear_users(redis_, report_.coupon_id, report_.epoch, keys));
    if (!must(cleared)) return false;
    test_point("admin.rebuild.users_cleared");
  }
  return true;
}

Result<bool> Rebuild::load_users() {
  const int chunk = std::clamp(options_.user_chunk, 1, static_cast<int>(redis::kUserChunkMax));
  for (std::int64_t after = 0;;) {
    const auto page = TRY(postgres::from_sql(postgres::user_counts(pg_, report_.coupon_id, after, chunk)));
    if (page.empty()) return true;
    std::vector<redis::UserCount> counts;
    for (const postgres::UserCount& count : page) counts.push_back({count.user_id, count.count});
    const auto loaded = TRY(redis::rebuild_load_users(redis_, report_.coupon_id, report_.epoch, counts));
    if (!must(loaded)) return false;
    test_point("admin.rebuild.users_loaded");
    after = page.back().user_id;
    report_.users += static_cast<std::int64_t>(page.size());
    if (options_.progress) options_.progress(report_.users, 0);
  }
}

/// Takes back a cut that no longer fits (claims that were in flight settled after Redis lost the cut). If another
/// operation came between, judges what that one wrote.
Result<void> Rebuild::take_back_what_does_not_fit() {
  for (int tries = 0; tries < kTakeBackTries && state_.target_total < state_.issue_num; ++tries) {
    postgres::CouponChanges back;
    back.total = state_.total_num;
    back.seen = state_.version;
    const auto operated = TRY(postgres::from_sql(postgres::update_coupon(pg_, report_.coupon_id, back)));
    state_ = operated.state;
  }
  return {};
}

/// Reads the state again: an operation may have come since `begin`.
Result<bool> Rebuild::load_stock() {
  const auto state = TRY(postgres::from_sql(postgres::coupon_state(pg_, report_.coupon_id)));
  if (!state.has_value() || state->epoch != report_.epoch) return stop(RebuildOutcome::kRaced);
  state_ = *state;
  TRY(take_back_what_does_not_fit());
  if (state_.status == postgres::CouponStatus::kPurged) return stop(RebuildOutcome::kNeverIssued);
  report_.stock = state_.target_total - state_.issue_num;
  const auto loaded = TRY(redis::rebuild_load_stock(redis_, report_.coupon_id, report_.epoch, report_.stock));
  test_point("admin.rebuild.stock_loaded");
  return must(loaded);
}

/// An operation that came while the coupon was loading was answered LOADING: sends its state to Redis now.
Result<bool> Rebuild::open() {
  const auto opened = TRY(redis::rebuild_open(redis_, settings_of(state_)));
  if (!must(opened == redis::OpenReply::kOpen)) return false;
  test_point("admin.rebuild.opened");
  const auto now = TRY(postgres::from_sql(postgres::coupon_state(pg_, report_.coupon_id)));
  if (!now.has_value() || now->epoch != report_.epoch) return stop(RebuildOutcome::kRaced);
  if (now->status == postgres::CouponStatus::kPurged) return stop(RebuildOutcome::kNeverIssued);
  if (now->version > state_.version) {
    TRY(sync_redis(redis_, pg_, *now));
  }
  return true;
}

/// If a purge came between, removes from Redis what this rebuild has put there since.
Result<void> Rebuild::forget_if_purged() {
  const auto state = TRY(postgres::from_sql(postgres::coupon_state(pg_, report_.coupon_id)));
  if (!state.has_value() || state->status != postgres::CouponStatus::kPurged) return {};
  report_.outcome = RebuildOutcome::kNeverIssued;
  TRY(redis::purge_coupon(redis_, report_.coupon_id));
  return {};
}

Result<RebuildReport> Rebuild::run() {
  for (const Step step : {&Rebuild::known, &Rebuild::drain, &Rebuild::begin, &Rebuild::clear, &Rebuild::load_users,
                          &Rebuild::load_stock, &Rebuild::open}) {
    const auto go_on = TRY((this->*step)());
    if (!go_on) break;
  }
  if (report_.outcome == RebuildOutcome::kNeverIssued || report_.outcome == RebuildOutcome::kRaced) {
    TRY(forget_if_purged());
  }
  log(report_.outcome == RebuildOutcome::kOpen ? LogLevel::kInfo : LogLevel::kWarn, "operations", "rebuild",
      {{"coupon", report_.coupon_id},
       {"outcome", word(report_.outcome)},
       {"epoch", report_.epoch},
       {"stock", report_.stock},
       {"users", report_.users},
       {"entries_left", report_.entries_left}});
  return report_;
}

/// Whether Redis holds the coupon as the database knows it: present, open, the same epoch, not rolled back.
Result<bool> is_loaded(redis::Client& redis, postgres::Session& pg, const postgres::CouponState& state) {
  const auto highest = TRY(postgres::from_sql(postgres::highest_entry(pg, state.id, state.epoch)));
  redis::CouponView view;
  const auto seen = TRY(redis::coupon_view(redis, state.id, 0, view));
  if (seen != redis::ViewState::kFound) return false;
  const auto counters = TRY(redis::reconcile_counters(redis, state.id));
  if (!counters.has_value() || counters->epoch != state.epoch) return false;
  return !highest.has_value() || *highest <= counters->last;
}

/// Whether the coupon was published and Redis does not hold it. If it cannot be read although both services answer, one
/// of its keys is damaged: then it counts as lost, and the search goes on.
Result<bool> is_lost(redis::Client& redis, postgres::Session& pg, const postgres::CouponState& state) {
  if (state.publish_version == 0) return false;
  const auto loaded = is_loaded(redis, pg, state);
  if (loaded) return !*loaded;
  if (loaded.error().unknown() || !redis.connected() || !pg.open()) return loaded.error();
  log(LogLevel::kWarn, "operations", "coupon_unreadable", {{"coupon", state.id}, {"error", loaded.error().message}});
  return true;
}

/// The lost ones of all coupons, in id order; at most `most`.
Result<std::vector<std::int64_t>> find_lost(redis::Client& redis, postgres::Session& pg, std::size_t most) {
  std::vector<std::int64_t> lost;
  TRY(postgres::each_coupon_page(pg, [&](const auto& page, std::int64_t) -> Result<bool> {
    for (const postgres::CouponState& state : page) {
      const auto missing = TRY(is_lost(redis, pg, state));
      if (missing) lost.push_back(state.id);
      if (lost.size() >= most) return false;
    }
    return true;
  }));
  return lost;
}

}  // namespace

Result<RebuildReport> rebuild_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                                     const RebuildOptions& options) {
  return Rebuild(redis, pg, coupon_id, options).run();
}

Result<std::vector<std::int64_t>> coupons_to_rebuild(redis::Client& redis, postgres::Session& pg) {
  return find_lost(redis, pg, std::numeric_limits<std::size_t>::max());
}

Result<std::vector<std::int64_t>> to_rebuild(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id) {
  std::vector<std::int64_t> lost;
  const auto state = TRY(postgres::from_sql(postgres::coupon_state(pg, coupon_id)));
  if (!state.has_value()) return lost;
  const auto missing = TRY(is_lost(redis, pg, *state));
  if (missing) lost.push_back(coupon_id);
  return lost;
}

Result<bool> mark_ready_if_complete(redis::Client& redis, postgres::Session& pg) {
  const auto lost = TRY(find_lost(redis, pg, 1));
  if (!lost.empty()) return false;
  TRY(redis::mark_ready(redis));
  return true;
}

Result<bool> mark_ready_if_new(redis::Client& redis, postgres::Session& pg) {
  const auto published = TRY(postgres::from_sql(postgres::ever_published(pg)));
  if (published) return false;
  TRY(redis::mark_ready(redis));
  return true;
}

const char* word(RebuildOutcome outcome) {
  switch (outcome) {
    case RebuildOutcome::kOpen:
      return "open";
    case RebuildOutcome::kNotFound:
      return "not_found";
    case RebuildOutcome::kNeverIssued:
      return "never_issued";
    case RebuildOutcome::kDeadLetters:
      return "dead_letters";
    case RebuildOutcome::kNotDrained:
      return "not_drained";
    case RebuildOutcome::kRaced:
      return "raced";
  }
  return "?";
}

}  // namespace flashclaim::operations
