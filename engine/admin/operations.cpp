#include "engine/admin/operations.h"

#include <spdlog/fmt/fmt.h>

#include <thread>
#include <unordered_set>

#include "engine/admin/tell_redis.h"
#include "engine/admin/user_keys.h"
#include "engine/base/log.h"
#include "engine/base/test_point.h"

namespace flashclaim::admin {
namespace {

using postgres::CouponState;
using postgres::Operation;
using postgres::Verdict;
using std::chrono::steady_clock;

constexpr auto kDrainLook = std::chrono::milliseconds(100);

Operated missing(std::int64_t id) { return {Effect::kNotFound, fmt::format("there is no coupon {}", id)}; }

/// Why the database refused; only for verdicts that are no success.
Operated refusal(const postgres::Operated& operated, std::string_view what, std::int64_t id) {
  switch (operated.verdict) {
    case Verdict::kNotFound:
      return missing(id);
    case Verdict::kExists:
      return {Effect::kRefused,
              fmt::format("coupon {} exists already with other values, or did once: take another id", id)};
    case Verdict::kWrongStatus:
      return {Effect::kRefused,
              fmt::format("coupon {} is {}: it cannot {}", id, postgres::word(operated.state.status), what)};
    case Verdict::kBelowIssued:
      return {Effect::kRefused, fmt::format("{} claims of coupon {} are settled: the total cannot be lower",
                                            operated.state.issue_num, id)};
    case Verdict::kShrinks:
      return {Effect::kRefused, "an earlier end or a lower user limit would take back what users were told"};
    case Verdict::kMoved:
      return {Effect::kUnfinished, "another operation came between: repeat this one"};
    case Verdict::kApplied:
    case Verdict::kUnchanged:
      break;
  }
  return {Effect::kDone, ""};
}

/// What is said when the database is done and Redis answered `told`.
Operated outcome_of(const Telling& told, bool changed, std::string_view what) {
  const std::int64_t id = told.state.id;
  switch (told.reply) {
    case redis::ApplyReply::kApplied:
    case redis::ApplyReply::kOld:
      return {changed ? Effect::kDone : Effect::kAlready,
              fmt::format("coupon {} is {}{}", id, postgres::word(told.state.status), changed ? "" : " already")};
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

Result<Operated> operate(redis::Client& redis, postgres::Session& pg, std::int64_t id, Operation operation) {
  const std::string_view what = postgres::word(operation);
  const auto operated = from_sql(postgres::operate_coupon(pg, id, operation));
  if (!operated) return operated.error();
  if (!postgres::is_success(operated->verdict)) return refusal(*operated, what, id);
  test_point("admin.operate.committed");
  const bool changed = operated->verdict == Verdict::kApplied;
  if (operated->state.publish_version == 0) {  // a draft that was ended: Redis never knew it
    return Operated{changed ? Effect::kDone : Effect::kAlready, fmt::format("coupon {} is ended, unpublished", id)};
  }
  const auto told = tell_redis(redis, pg, operated->state);
  if (!told) return told.error();
  test_point("admin.operate.told");
  log(LogLevel::kInfo, "admin", "coupon_operated",
      {{"coupon", id}, {"operation", what}, {"version", told->state.version}, {"redis", redis::word(told->reply)}});
  return outcome_of(*told, changed, what);
}

/// Entries up to `last` that are in the stream and not dead.
Result<std::int64_t> undecided(redis::Client& redis, std::int64_t id, EntryId last) {
  const auto snapshot = redis::reconcile_snapshot(redis, id);
  if (!snapshot) return snapshot.error();
  const auto dead = dead_entries(redis, id);
  if (!dead) return dead.error();
  if (!snapshot->has_value()) return failure("Redis lost the coupon meanwhile: flashctl rebuild");
  std::int64_t count = 0;
  for (const redis::EntryInFlight& flight : (*snapshot)->entries) {
    if (flight.entry <= last && !dead->contains(flight.entry)) ++count;
  }
  return count;
}

/// The second half of a cut: Redis gives out no more than the new total; once what it gave out before is decided, the
/// database may lower its own limit.
Result<Operated> finish_cut(redis::Client& redis, postgres::Session& pg, const CouponState& state,
                            std::chrono::milliseconds drain) {
  const auto snapshot = redis::reconcile_snapshot(redis, state.id);
  if (!snapshot) return snapshot.error();
  if (!snapshot->has_value()) return failure("Redis lost the coupon meanwhile: flashctl rebuild");
  const auto deadline = steady_clock::now() + drain;
  for (;;) {
    const auto waiting = undecided(redis, state.id, (*snapshot)->last);
    if (!waiting) return waiting.error();
    if (*waiting == 0) break;
    if (steady_clock::now() >= deadline) {
      return Operated{Effect::kUnfinished,
                      fmt::format("Redis gives out no more than {}, but {} entries are still in flight, so the "
                                  "database keeps {} for now: repeat the command",
                                  state.target_total, *waiting, state.total_num)};
    }
    std::this_thread::sleep_for(kDrainLook);
  }
  test_point("admin.cut.drained");
  const auto completed = from_sql(postgres::complete_cut(pg, state.id, state.version));
  if (!completed) return completed.error();
  test_point("admin.cut.committed");
  if (!postgres::is_success(completed->verdict)) return refusal(*completed, "be cut", state.id);
  const auto told = tell_redis(redis, pg, completed->state);
  if (!told) return told.error();
  test_point("admin.cut.told");
  return outcome_of(*told, true, "be cut");
}

/// What stands against a purge: not ended (Redis is told once more, in case it never heard), or claims in flight.
Result<std::optional<Operated>> why_not_purge(redis::Client& redis, postgres::Session& pg, const CouponState& state) {
  const std::int64_t id = state.id;
  if (state.status == postgres::CouponStatus::kPurged) return std::optional<Operated>();
  if (state.status != postgres::CouponStatus::kEnded) {
    return std::optional(Operated{Effect::kRefused, fmt::format("coupon {0} is {1}: flashctl coupon end {0} first", id,
                                                                postgres::word(state.status))});
  }
  if (state.publish_version > 0) {
    const auto told = tell_redis(redis, pg, state);
    if (!told) return told.error();
    const Operated outcome = outcome_of(*told, false, "be purged");
    if (!outcome.ok() && told->reply != redis::ApplyReply::kNotLoaded) return std::optional(outcome);
  }
  const auto snapshot = redis::reconcile_snapshot(redis, id);
  if (!snapshot) return snapshot.error();
  if (!snapshot->has_value() || (*snapshot)->entries.empty()) return std::optional<Operated>();
  return std::optional(
      Operated{Effect::kRefused, fmt::format("{} entries of coupon {} are in flight: let the consumer settle them "
                                             "(dead letters: flashctl dlq replay or reject)",
                                             (*snapshot)->entries.size(), id)});
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
  const auto operated = from_sql(postgres::create_coupon(pg, row));
  if (!operated) return operated.error();
  if (!postgres::is_success(operated->verdict)) return refusal(*operated, "be created", coupon.id);
  const bool created = operated->verdict == Verdict::kApplied;
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
Result<Operated> end_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id) {
  return operate(redis, pg, coupon_id, Operation::kEnd);
}

Result<Operated> update_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                               const CouponChange& change, std::chrono::milliseconds drain) {
  const auto before = from_sql(postgres::coupon_state(pg, coupon_id));
  if (!before) return before.error();
  if (!before->has_value() || (*before)->status == postgres::CouponStatus::kPurged) return missing(coupon_id);
  const CouponState& old = **before;
  const bool cutting = old.target_total < old.total_num;
  if (cutting && change.total && *change.total < old.total_num && *change.total != old.target_total) {
    return Operated{Effect::kRefused,
                    fmt::format("a cut to {} is under way: repeat it with --total {} until it is complete, or take it "
                                "back with --total {}",
                                old.target_total, old.target_total, old.total_num)};
  }
  const postgres::CouponChanges changes{change.name, change.total, change.user_limit, change.end_ms,
                                        change.max_inflight};
  const auto operated = from_sql(postgres::update_coupon(pg, coupon_id, changes));
  if (!operated) return operated.error();
  if (!postgres::is_success(operated->verdict)) return refusal(*operated, "be updated", coupon_id);
  test_point("admin.update.committed");
  const bool changed = operated->verdict == Verdict::kApplied;
  if (operated->state.publish_version == 0) {
    return Operated{changed ? Effect::kDone : Effect::kAlready, fmt::format("coupon {} is updated", coupon_id)};
  }
  const auto told = tell_redis(redis, pg, operated->state);
  if (!told) return told.error();
  test_point("admin.update.told");
  if (told->cut_taken_back) {
    return Operated{Effect::kRefused,
                    fmt::format("fewer than {} units of coupon {} are left: its total stays {}",
                                old.total_num - operated->state.target_total, coupon_id, told->state.total_num)};
  }
  const Operated outcome = outcome_of(*told, changed, "be updated");
  const bool cut = told->state.target_total < told->state.total_num;
  if (!outcome.ok() || !cut) return outcome;
  return finish_cut(redis, pg, told->state, drain);
}

Result<Operated> purge_coupon(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id) {
  const auto state = from_sql(postgres::coupon_state(pg, coupon_id));
  if (!state) return state.error();
  if (!state->has_value()) return missing(coupon_id);
  const auto unfit = why_not_purge(redis, pg, **state);
  if (!unfit) return unfit.error();
  if (unfit->has_value()) return **unfit;
  // The database first: from its tombstone on, a message that still turns up is refused as unknown_coupon.
  const auto purged = from_sql(postgres::purge_coupon(pg, coupon_id));
  if (!purged) return purged.error();
  if (!postgres::is_success(purged->verdict)) return refusal(*purged, "be purged", coupon_id);
  test_point("admin.purge.committed");
  const auto keys = delete_user_keys(redis, coupon_id);
  if (!keys) return keys.error();
  test_point("admin.purge.cleared");
  const auto reply = redis::purge_coupon(redis, coupon_id);
  if (!reply) return reply.error();
  test_point("admin.purge.told");
  if (*reply != redis::PurgeReply::kPurged) {
    return Operated{Effect::kUnfinished,
                    fmt::format("Redis keeps coupon {}: {}; repeat the command", coupon_id, redis::word(*reply))};
  }
  const bool changed = purged->verdict == Verdict::kApplied;
  return Operated{changed ? Effect::kDone : Effect::kAlready, fmt::format("coupon {} is purged", coupon_id)};
}

}  // namespace flashclaim::admin
