// Measures the counters against the database, and fixes them by compare-and-set until they agree.
#include "engine/operations/reconcile.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <span>

#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/operations/flight.h"
#include "engine/operations/reconcile_users.h"
#include "engine/operations/state_difference.h"
#include "engine/operations/sync_redis.h"
#include "engine/postgres/ledger.h"

namespace flashclaim::operations {
namespace {

constexpr int kTriesMax = 5;  ///< another fixer may come between; it did the work then
/// Entries in flight in one question to the database; entries above its highest outcome need no question.
constexpr std::size_t kEntriesAsked = 20'000;

/// One pass; holds the state that its steps share.
class Pass {
 public:
  Pass(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id, const ReconcileOptions& options)
      : redis_(redis), pg_(pg), options_(options), pace_(options.redis_share, options.interrupted) {
    report_.coupon_id = coupon_id;
  }

  Result<ReconcileReport> run();

 private:
  /// False: the outcome is already known (not found, not loaded, rolled back).
  Result<bool> look();
  Result<void> stock();
  Result<bool> measure_stock();
  Result<bool> see();
  Result<bool> walk();
  Result<std::optional<std::int64_t>> rows_beside();
  Result<void> users();
  Result<void> state();
  Result<bool> tell();

  void found(ReconcileOutcome outcome);

  redis::Client& redis_;
  postgres::Session& pg_;
  const ReconcileOptions& options_;
  const Pace pace_;
  ReconcileReport report_;
  postgres::CouponState state_;
  redis::CouponView view_;
  redis::Counters seen_;          ///< of the last look
  std::vector<EntryId> flying_;   ///< the entries in flight that it counted itself
  std::int64_t claims_ = 0;       ///< theirs, and what was returned while they were walked over
  bool keeps_marks_ = false;      ///< a part of the pass failed: the suspicion stays
  std::int64_t fixes_known_ = 0;  ///< fixSeq as it is when nobody else has fixed since the first look
};

/// Keeps the graver outcome.
void Pass::found(ReconcileOutcome outcome) { report_.outcome = std::max(report_.outcome, outcome); }

/// In this order: the database's epoch and highest entry, then that Redis is open, then the counters. So if the
/// counters have the database's epoch, no half-loaded coupon was seen (a rebuild freezes before it raises the
/// database's epoch); and if the database has an entry above the counters' last id, Redis rolled back.
Result<bool> Pass::look() {
  const std::int64_t id = report_.coupon_id;
  const auto state = TRY(postgres::from_sql(postgres::coupon_state(pg_, id)));
  if (!state.has_value() || state->publish_version == 0 || state->status == postgres::CouponStatus::kPurged) {
    report_.outcome = ReconcileOutcome::kNotFound;
    return false;
  }
  state_ = *state;
  report_.version = state_.version;
  const auto highest = TRY(postgres::from_sql(postgres::highest_entry(pg_, id, state_.epoch)));
  const auto open = TRY(redis::coupon_view(redis_, id, 0, view_));
  const auto counters = TRY(redis::reconcile_counters(redis_, id));
  if (open != redis::ViewState::kFound || !counters.has_value() || counters->epoch != state_.epoch) {
    report_.outcome = ReconcileOutcome::kNotLoaded;
    return false;
  }
  seen_ = *counters;
  fixes_known_ = seen_.fix_seq;
  report_.epoch = seen_.epoch;
  report_.suspect = seen_.suspect;
  if (highest.has_value() && *highest > seen_.last) {
    report_.outcome = ReconcileOutcome::kRolledBack;
    return false;
  }
  return true;
}

/// Reads everything as of one moment: in one call when few entries are in flight, else by a walk. False: the coupon
/// left Redis.
Result<bool> Pass::see() {
  auto snapshot = TRY(redis::reconcile_snapshot(redis_, report_.coupon_id));
  if (!snapshot.has_value()) return false;
  if (snapshot->too_many) return walk();
  seen_ = *snapshot;
  flying_.clear();
  claims_ = 0;
  for (const redis::EntryInFlight& flight : snapshot->entries) {
    flying_.push_back(flight.entry);
    claims_ += flight.claims;
  }
  report_.inflight_known = true;
  return true;
}

/// Reads the counters and the last id L at one moment, then the entries up to L, page by page. An entry that was in
/// flight at that moment and is not met has been finished since. If it settled, the database counts its rows like those
/// of any other finished entry. If it was returned, the log of returns has it, and it is counted here. An entry that
/// was met is counted here, even if it is finished meanwhile.
Result<bool> Pass::walk() {
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    const auto begin = TRY(redis::reconcile_counters(redis_, report_.coupon_id));
    if (!begin.has_value()) return false;
    seen_ = *begin;
    Flight flight(redis_, report_.coupon_id, pace_, false);
    for (bool more = true; more;) {
      more = TRY(flight.read_page(seen_.last));
      if (options_.between) options_.between();
    }
    const auto end = TRY(redis::reconcile_counters_since(redis_, report_.coupon_id, seen_.returns));
    if (!end.has_value()) return false;
    if (end->forgotten || end->now.epoch != seen_.epoch) continue;
    claims_ = flight.claims();
    for (const redis::EntryInFlight& returned : end->returned) {
      if (returned.entry <= seen_.last && !flight.met(returned.entry)) claims_ += returned.claims;
    }
    const auto& now = end->now;
    report_.inflight_known = now.added - now.length == seen_.added - seen_.length;
    flying_ = flight.entries();
    return true;
  }
  return failure("more was returned than Redis remembers: run it again");
}

/// Rows of earlier epochs, and of entries up to L that were not counted in flight. Nullopt: no such coupon. The
/// database has no rows above its highest outcome, so the question names only the entries up to there, and some more.
Result<std::optional<std::int64_t>> Pass::rows_beside() {
  std::size_t asked = std::min(flying_.size(), kEntriesAsked);
  for (;;) {
    const std::span<const EntryId> first(flying_.data(), asked);
    const auto rows =
        TRY(postgres::from_sql(postgres::reconcile_rows(pg_, report_.coupon_id, {seen_.epoch, seen_.last, first})));
    if (!rows.has_value()) return std::optional<std::int64_t>();
    const std::optional<EntryId> highest = rows->highest;
    if (asked == flying_.size() || !highest || *highest < flying_[asked]) return std::optional(rows->rows);
    const auto above = std::upper_bound(flying_.begin(), flying_.end(), *highest) - flying_.begin();
    asked = std::min(flying_.size(), static_cast<std::size_t>(above) + kEntriesAsked);
  }
}

/// drift = stock + claims in flight + rows beside them - totalNum; Redis' values are of one moment. False: the coupon
/// left Redis or its epoch meanwhile.
Result<bool> Pass::measure_stock() {
  const std::int64_t suspect_seen = report_.suspect;  // of the first look: later marks stay
  const auto seen = TRY(see());
  if (!seen || seen_.epoch != report_.epoch) return false;
  const auto rows = TRY(rows_beside());
  if (!rows.has_value()) return false;
  report_.total = seen_.total;
  report_.stock = seen_.stock;
  report_.in_flight = claims_;
  report_.settled = *rows;
  report_.stock_drift = report_.stock + report_.in_flight + report_.settled - report_.total;
  report_.inflight_drift = report_.inflight_known ? seen_.inflight - report_.in_flight : 0;
  // 0 clears nothing. While users are deferred, the mark stays. If another fixer was here, it may have cleared the mark
  // that was seen: then the same number is a new mark.
  const bool same_marks = seen_.fix_seq == fixes_known_;
  seen_.suspect = report_.users_deferred || keeps_marks_ || !same_marks ? 0 : suspect_seen;
  return true;
}

Result<void> Pass::stock() {
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    const auto measured = TRY(measure_stock());
    if (!measured) {
      found(ReconcileOutcome::kNotLoaded);
      return {};
    }
    const bool drifting = report_.stock_drift != 0 || report_.inflight_drift != 0;
    if (!options_.fix) {
      if (drifting) found(ReconcileOutcome::kDrift);
      return {};
    }
    if (!drifting && seen_.suspect == 0) return {};
    test_point("reconcile.stock.fixing");
    const auto reply =
        TRY(redis::reconcile_fix(redis_, report_.coupon_id, seen_, -report_.stock_drift, -report_.inflight_drift));
    test_point("reconcile.stock.fixed");
    if (reply == redis::FixReply::kFixed) {
      if (drifting) found(ReconcileOutcome::kFixed);
      return {};
    }
  }
  found(ReconcileOutcome::kMoved);
  return {};
}

Result<void> Pass::users() {
  UsersPass pass(redis_, pg_, options_, pace_, report_);
  auto done = pass.run();
  fixes_known_ += pass.fixes();
  return done;
}

/// Compares version, status and terms. An older version in Redis means that an operation died between the database and
/// Redis: the fix completes it, as its repetition would. This is no drift: the totals differ, but each side agrees with
/// itself. The same version with another status or other terms (Redis ended it because its clock was ahead) is a drift.
Result<void> Pass::state() {
  report_.state_behind = state_.version > seen_.version;
  const bool heard = view_.version == state_.version;
  if (heard) report_.state_difference = state_difference(state_, view_);
  const bool differs = !report_.state_difference.empty();
  if (!options_.fix && differs) found(ReconcileOutcome::kDrift);
  if (!options_.fix || (!differs && !report_.state_behind)) return {};
  const auto reopened = TRY(tell());
  if (differs) found(reopened ? ReconcileOutcome::kFixed : ReconcileOutcome::kDrift);
  test_point("reconcile.state.told");
  return {};
}

/// Sends the state to Redis. True: Redis had ended the coupon by its clock, and opened it again.
Result<bool> Pass::tell() {
  if (options_.take_back_cuts) {
    const auto told = TRY(sync_redis(redis_, pg_, state_));
    return told.reply == redis::ApplyReply::kReopened;
  }
  const auto reply = TRY(redis::apply_state(redis_, settings_of(state_), state_.may_create()));
  report_.cut_unfit = reply == redis::ApplyReply::kShort;
  return reply == redis::ApplyReply::kReopened;
}

Result<ReconcileReport> Pass::run() {
  const auto looked = TRY(look());
  if (!looked) return report_;
  const auto told = state();  // even if Redis refuses this, its numbers can be mended
  keeps_marks_ = !told || options_.keep_marks;
  if (options_.users) {
    TRY(users());
  }
  const auto mended = stock();  // last: it clears the mark
  if (!mended) return mended.error();
  if (options_.fix && (report_.outcome != ReconcileOutcome::kExact || report_.suspect > 0)) {
    log(LogLevel::kInfo, "operations", "reconciled",
        {{"coupon", report_.coupon_id},
         {"outcome", word(report_.outcome)},
         {"stock_drift", report_.stock_drift},
         {"inflight_drift", report_.inflight_drift},
         {"users_drifting", report_.users_drifting},
         {"state", report_.state_difference},
         {"suspect", report_.suspect}});
  }
  if (!told) return told.error();
  return report_;
}

}  // namespace

Result<ReconcileReport> reconcile(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                                  const ReconcileOptions& options) {
  return Pass(redis, pg, coupon_id, options).run();
}

const char* word(ReconcileOutcome outcome) {
  switch (outcome) {
    case ReconcileOutcome::kExact:
      return "exact";
    case ReconcileOutcome::kFixed:
      return "fixed";
    case ReconcileOutcome::kDrift:
      return "drift";
    case ReconcileOutcome::kMoved:
      return "moved";
    case ReconcileOutcome::kRolledBack:
      return "rolled_back";
    case ReconcileOutcome::kNotLoaded:
      return "not_loaded";
    case ReconcileOutcome::kNotFound:
      return "not_found";
  }
  return "?";
}

}  // namespace flashclaim::operations
