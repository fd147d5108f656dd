// Each operation: read the coupon, change the database under its version, send the new state to Redis.
#include "engine/operations/operations.h"

#include <spdlog/fmt/fmt.h>

#include <thread>
#include <unordered_set>

#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/operations/flight.h"
#include "engine/operations/overtaken.h"
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"

namespace flashclaim::operations {
namespace {

using postgres::CouponState;
using postgres::Operation;
using postgres::OperationVerdict;
using std::chrono::steady_clock;

constexpr auto kDrainLook = std::chrono::milliseconds(100);
constexpr int kTriesMax = 16;  ///< of a pause or an end, when others operate at the same time

Operated missing(std::int64_t id) { return {Effect::kNotFound, fmt::format("there is no coupon {}", id)}; }

/// Why the database refused; only for verdicts that are not a success.
Operated refusal(const postgres::Operated& operated, std::string_view what, std::int64_t id) {
  switch (operated.verdict) {
    case OperationVerdict::kNotFound:
      return missing(id);
    case OperationVerdict::kExists:
      return {Effect::kRefused,
              fmt::format("coupon {} exists already with other values, or did once: take another id", id)};
    case OperationVerdict::kWrongStatus:
      return {Effect::kRefused,
              fmt::format("coupon {} is {}: it cannot {}", id, postgres::word(operated.state.status), what)};
    case OperationVerdict::kBelowIssued:
      return {Effect::kRefused, fmt::format("{} claims of coupon {} are settled: the total cannot be lower",
                                            operated.state.issue_num, id)};
    case OperationVerdict::kShrinks:
      return {Effect::kRefused,
              "a later begin, an earlier end or a lower user limit would take back what users were told"};
    case OperationVerdict::kMoved:
      return {Effect::kRefused, fmt::format("coupon {} was changed meanwhile; nothing was done", id)};
    case OperationVerdict::kApplied:
    case OperationVerdict::kUnchanged:
      break;
  }
  return {Effect::kDone, ""};
}

/// The answer when the database is done and Redis answered `told`.
Operated outcome_of(const Synced& told, bool changed, std::string_view what) {
  const std::int64_t id = told.state.id;
  switch (told.reply) {
    case redis::ApplyReply::kApplied:
    case redis::ApplyReply::kOld:
      return {changed ? Effect::kDone : Effect::kAlready,
              fmt::format("coupon {} is {}{}", id, postgres::word(told.state.status), changed ? "" : " already")};
    case redis::ApplyReply::kReopened:
      return {Effect::kDone, fmt::format("coupon {} is {} again: Redis had ended it, by a clock that was past its end",
                                         id, postgres::word(told.state.status))};
    case redis::ApplyReply::kNotReady:
    case redis::ApplyReply::kNotLoaded:
      return {Effect::kRefused, fmt::format("coupon {} is {} in the database, but Redis does not hold it: flashctl "
                                            "rebuild {}",
                                            id, postgres::word(told.state.status), id)};
    case redis::ApplyReply::kLoading:
      return {Effect::kRefused,
              fmt::format("coupon {} is being rebuilt and will open as the database has it; if no rebuild runs: "
                          "flashctl rebuild {}",
                          id, id)};
    case redis::ApplyReply::kEpoch:
      return {Effect::kRefused,
              fmt::format("coupon {} has another epoch in Redis than in the database: flashctl rebuild {}", id, id)};
    case redis::ApplyReply::kShort:
      break;
  }
  return {Effect::kRefused, fmt::format("coupon {}: Redis refused to {}", id, what)};
}

/// The answer with the version that the database gave to this operation, if it gave one.
Result<Operated> stamped(Result<Operated> answer, const postgres::Operated& operated) {
  if (answer && operated.verdict == OperationVerdict::kApplied) answer->version = operated.state.version;
  return answer;
}

/// The status of a coupon after the operation.
postgres::CouponStatus target_of(Operation operation) {
  switch (operation) {
    case Operation::kPause:
      return postgres::CouponStatus::kPaused;
    case Operation::kEnd:
      return postgres::CouponStatus::kEnded;
    case Operation::kPublish:
    case Operation::kResume:
      break;
  }
  return postgres::CouponStatus::kIssuing;
}

/// Reads the coupon to operate on. A publish that has not reached Redis yet is sent there first: after the next version
/// it would look like a loss of data.
Result<std::optional<CouponState>> read_to_operate(redis::Client& redis, postgres::Session& pg, std::int64_t id) {
  auto state = TRY(postgres::from_sql(postgres::coupon_state(pg, id)));
  if (!state.has_value() || state->status == postgres::CouponStatus::kPurged) return std::optional<CouponState>();
  if (!state->may_create()) return state;
  auto told = TRY(sync_redis(redis, pg, *state));
  return std::optional(told.state);
}

/// Another operation purged the coupon while this one was sent to Redis: removes it there again.
Result<Operated> purged_meanwhile(redis::Client& redis, postgres::Session& pg, const CouponState& now) {
  TRY(redis::purge_coupon(redis, now.id));
  return undone_by(pg, now, "the command was carried out");
}

/// The second half of an operation that the database has carried out: sends it to Redis.
Result<Operated> tell_of(redis::Client& redis, postgres::Session& pg, Operation operation,
                         const postgres::Operated& operated) {
  const std::string_view what = postgres::word(operation);
  const std::int64_t id = operated.state.id;
  const bool changed = operated.verdict == OperationVerdict::kApplied;
  if (operated.state.publish_version == 0) {  // a draft that was ended: it was never in Redis
    return Operated{changed ? Effect::kDone : Effect::kAlready, fmt::format("coupon {} is ended, unpublished", id)};
  }
  const auto told = TRY(sync_redis(redis, pg, operated.state));
  test_point("admin.operate.told");
  log(LogLevel::kInfo, "operations", "coupon_operated",
      {{"coupon", id}, {"operation", what}, {"version", told.state.version}, {"redis", redis::word(told.reply)}});
  if (told.state.status == postgres::CouponStatus::kPurged) return purged_meanwhile(redis, pg, told.state);
  if (told.state.status != operated.state.status) {
    return undone_by(pg, told.state, fmt::format("the {} was carried out", what));
  }
  return outcome_of(told, changed, what);
}

Result<Operated> operate(redis::Client& redis, postgres::Session& pg, std::int64_t id, Operation operation,
                         SeenVersion seen = {}) {
  const bool closes = operation == Operation::kPause || operation == Operation::kEnd;
  for (int tries = 1;; ++tries) {
    const auto before = TRY(read_to_operate(redis, pg, id));
    if (!before.has_value()) return missing(id);
    auto operated = TRY(postgres::from_sql(postgres::operate_coupon(pg, id, operation, seen ? seen : before->version)));
    if (operated.verdict == OperationVerdict::kMoved) {
      if (closes && !seen && tries < kTriesMax) continue;
      if (operated.state.status != target_of(operation)) return lost_to(pg, operated.state);
      operated.verdict = OperationVerdict::kUnchanged;  // the other operation did the same
    }
    if (!postgres::is_success(operated.verdict)) return refusal(operated, postgres::word(operation), id);
    test_point("admin.operate.committed");
    return stamped(tell_of(redis, pg, operation, operated), operated);
  }
}

/// A cut whose second half finds no coupon in Redis: it was purged, a rebuild is under way, or the data was lost.
Result<Operated> cut_without_coupon(postgres::Session& pg, const CouponState& state) {
  const auto now = TRY(postgres::from_sql(postgres::coupon_state(pg, state.id)));
  if (now.has_value() && now->status == postgres::CouponStatus::kPurged) {
    return undone_by(pg, *now, fmt::format("it was to be cut to {}", state.target_total));
  }
  return Operated{
      Effect::kUnfinished,
      fmt::format("coupon {0} is to be cut to {1}, but Redis does not hold it now: wait for the rebuild that is "
                  "under way, or flashctl rebuild {0}, and repeat the command",
                  state.id, state.target_total)};
}

/// The second half of a cut. Redis gives out no more than the new total already. When everything that it gave out
/// before is decided, the database lowers its own limit.
Result<Operated> finish_cut(redis::Client& redis, postgres::Session& pg, const CouponState& state,
                            std::chrono::milliseconds drain) {
  const auto before = TRY(redis::reconcile_counters(redis, state.id));
  if (!before.has_value()) return cut_without_coupon(pg, state);
  const auto deadline = steady_clock::now() + drain;
  for (;;) {
    const auto waiting = TRY(oldest_living(redis, state.id, before->last));
    if (!waiting.has_value()) break;
    if (steady_clock::now() >= deadline) {
      return Operated{
          Effect::kUnfinished,
          fmt::format("Redis gives out no more than {}, but entries are still in flight, the oldest is {}, so "
                      "the database keeps {} for now: repeat the command",
                      state.target_total, waiting->text(), state.total_num)};
    }
    std::this_thread::sleep_for(kDrainLook);
  }
  test_point("admin.cut.drained");
  const auto completed = TRY(postgres::from_sql(postgres::complete_cut(pg, state.id, state.version)));
  test_point("admin.cut.committed");
  const CouponState& now = completed.state;
  if (completed.verdict != OperationVerdict::kNotFound && now.target_total != state.target_total) {
    return undone_by(pg, now, fmt::format("it was to be cut to {}", state.target_total));
  }
  if (completed.verdict == OperationVerdict::kMoved) {  // an operation that left the cut alone
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
    return finish_cut(redis, pg, now, std::max(left, std::chrono::milliseconds(0)));
  }
  if (!postgres::is_success(completed.verdict)) return refusal(completed, "be cut", state.id);
  const auto told = TRY(sync_redis(redis, pg, completed.state));
  test_point("admin.cut.told");
  return outcome_of(told, true, "be cut");
}

/// Why a purge is not possible: the coupon has not ended, or claims are in flight. Sends the end to Redis once more, in
/// case it never arrived. `state` becomes what the database holds then.
Result<std::optional<Operated>> why_not_purge(redis::Client& redis, postgres::Session& pg, CouponState& state) {
  const std::int64_t id = state.id;
  const bool purged = state.status == postgres::CouponStatus::kPurged;  // the rest of a purge that died
  if (!purged && state.status != postgres::CouponStatus::kEnded) {
    return std::optional(Operated{Effect::kRefused, fmt::format("coupon {0} is {1}: flashctl coupon end {0} first", id,
                                                                postgres::word(state.status))});
  }
  if (state.publish_version > 0) {
    const auto told = TRY(sync_redis(redis, pg, state));
    const Operated outcome = outcome_of(told, false, "be purged");
    const bool holds_it = told.reply != redis::ApplyReply::kNotLoaded;
    if (!outcome.ok() && holds_it && !purged) return std::optional(outcome);
    if (!told.overtaken) state = told.state;
  }
  const auto counters = TRY(redis::reconcile_counters(redis, id));
  if (!counters.has_value() || counters->length == 0) return std::optional<Operated>();
  return std::optional(
      Operated{Effect::kRefused, fmt::format("{} entries of coupon {} are in flight: let the consumer settle them "
                                             "(dead letters: flashctl dlq replay or reject)",
                                             counters->length, id)});
}

/// Whether the database holds what was asked for.
bool in_force(const CouponChange& change, const CouponState& now) {
  const auto holds = [](const auto& asked, const auto& has) { return !asked || *asked == has; };
  return holds(change.name, now.name) && holds(change.total, now.target_total) &&
         holds(change.user_limit, now.user_limit) && holds(change.begin_ms, now.begin_ms) &&
         holds(change.end_ms, now.end_ms) && holds(change.max_inflight, now.max_inflight);
}

/// The second half of an update that the database has carried out on `old`: sends it to Redis, and completes a cut.
Result<Operated> tell_of_update(redis::Client& redis, postgres::Session& pg, const CouponChange& change,
                                const CouponState& old, const postgres::Operated& operated,
                                std::chrono::milliseconds drain) {
  const bool changed = operated.verdict == OperationVerdict::kApplied;
  if (operated.state.publish_version == 0) {
    return Operated{changed ? Effect::kDone : Effect::kAlready, fmt::format("coupon {} is updated", operated.state.id)};
  }
  const auto told = TRY(sync_redis(redis, pg, operated.state));
  test_point("admin.update.told");
  if (told.state.status == postgres::CouponStatus::kPurged) return purged_meanwhile(redis, pg, told.state);
  if (told.overtaken && !in_force(change, told.state)) return undone_by(pg, told.state, "the update was carried out");
  if (told.cut_taken_back) {
    return Operated{Effect::kRefused,
                    fmt::format("fewer than {} units of coupon {} are left: its total stays {}",
                                old.total_num - operated.state.target_total, operated.state.id, told.state.total_num)};
  }
  const Operated outcome = outcome_of(told, changed, "be updated");
  const bool cut = told.state.target_total < told.state.total_num;
  if (!outcome.ok() || !cut) return outcome;
  return finish_cut(redis, pg, told.state, drain);
}

}  // namespace

Result<Operated> create_coupon(postgres::Session& pg, const NewCoupon& coupon) {
  postgres::NewCoupon row;
  row.id = coupon.id;
  row.name = coupon.name;
  row.total_num = coupon.total;
  row.user_limit = coupon.user_limit;
  row.begin_ms = coupon.begin_ms;
  row.end_ms = coupon.end_ms;
  row.max_inflight = coupon.max_inflight;
  const auto operated = TRY(postgres::from_sql(postgres::create_coupon(pg, row)));
  if (!postgres::is_success(operated.verdict)) return refusal(operated, "be created", coupon.id);
  const bool created = operated.verdict == OperationVerdict::kApplied;
  return Operated{created ? Effect::kDone : Effect::kAlready,
                  created ? fmt::format("coupon {0} is a draft; flashctl coupon publish {0} opens it", coupon.id)
                          : fmt::format("coupon {} exists already, with the same values", coupon.id)};
}

Result<Operated> publish_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id) {
  return operate(redis, pg, coupon_id, Operation::kPublish);
}
Result<Operated> pause_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id) {
  return operate(redis, pg, coupon_id, Operation::kPause);
}
Result<Operated> resume_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id) {
  return operate(redis, pg, coupon_id, Operation::kResume);
}
Result<Operated> end_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id, SeenVersion seen) {
  return operate(redis, pg, coupon_id, Operation::kEnd, seen);
}

Result<Operated> update_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                               const CouponChange& change, std::chrono::milliseconds drain) {
  const auto before = TRY(read_to_operate(redis, pg, coupon_id));
  if (!before.has_value()) return missing(coupon_id);
  const CouponState& old = *before;
  if (change.seen && *change.seen != old.version) return lost_to(pg, old);
  const bool cutting = old.target_total < old.total_num;
  if (cutting && change.total && *change.total < old.total_num && *change.total != old.target_total) {
    return Operated{Effect::kRefused,
                    fmt::format("a cut to {} is under way: repeat it with --total {} until it is complete, or take it "
                                "back with --total {}",
                                old.target_total, old.target_total, old.total_num)};
  }
  const postgres::CouponChanges changes{change.name,         change.total,    change.user_limit, change.end_ms,
                                        change.max_inflight, change.begin_ms, old.version};
  const auto operated = TRY(postgres::from_sql(postgres::update_coupon(pg, coupon_id, changes)));
  if (operated.verdict == OperationVerdict::kMoved) return lost_to(pg, operated.state);
  if (!postgres::is_success(operated.verdict)) return refusal(operated, "be updated", coupon_id);
  test_point("admin.update.committed");
  return stamped(tell_of_update(redis, pg, change, old, operated, drain), operated);
}

Result<Operated> purge_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id, SeenVersion seen) {
  const auto state = TRY(postgres::from_sql(postgres::coupon_state(pg, coupon_id)));
  if (!state.has_value()) return missing(coupon_id);
  CouponState now = *state;
  if (seen && *seen != now.version && now.status != postgres::CouponStatus::kPurged) return lost_to(pg, now);
  const auto unfit = TRY(why_not_purge(redis, pg, now));
  if (unfit.has_value()) return *unfit;
  // The users' counts first, while the database still knows the users: an ended coupon is never claimed again.
  TRY(delete_user_keys(redis, pg, coupon_id));
  test_point("admin.purge.cleared");
  // Then the database: once the tombstone is there, a late message is refused as unknown_coupon.
  const auto purged = TRY(postgres::from_sql(postgres::purge_coupon(pg, coupon_id, now.version)));
  if (purged.verdict == OperationVerdict::kMoved) return lost_to(pg, purged.state);
  if (!postgres::is_success(purged.verdict)) return refusal(purged, "be purged", coupon_id);
  test_point("admin.purge.committed");
  const auto reply = TRY(redis::purge_coupon(redis, coupon_id));
  test_point("admin.purge.told");
  if (reply != redis::PurgeReply::kPurged) {
    return Operated{Effect::kUnfinished,
                    fmt::format("Redis keeps coupon {}: {}; repeat the command", coupon_id, redis::word(reply))};
  }
  const bool changed = purged.verdict == OperationVerdict::kApplied;
  return Operated{changed ? Effect::kDone : Effect::kAlready, fmt::format("coupon {} is purged", coupon_id)};
}

}  // namespace flashclaim::operations
