#include "engine/admin/reconcile.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>

#include "engine/admin/state_difference.h"
#include "engine/admin/tell_redis.h"
#include "engine/admin/user_keys.h"
#include "engine/base/log.h"
#include "engine/base/test_point.h"
#include "engine/postgres/ledger.h"

namespace flashclaim::admin {
namespace {

constexpr int kTriesMax = 5;  ///< another fixer may come between; it did the work then
constexpr std::size_t kDriftsListed = 1000;
/// Each chunk of users walks over everything in flight while Redis serves nobody: about 50 ms at this number.
constexpr std::int64_t kInflightForUsers = 100'000;

std::vector<EntryId> entries_of(const redis::Snapshot& snapshot) {
  std::vector<EntryId> entries;
  entries.reserve(snapshot.entries.size());
  for (const redis::EntryInFlight& flight : snapshot.entries) entries.push_back(flight.entry);
  return entries;
}

std::int64_t claims_in(const redis::Snapshot& snapshot) {
  std::int64_t claims = 0;
  for (const redis::EntryInFlight& flight : snapshot.entries) claims += flight.claims;
  return claims;
}

/// One pass; holds what its steps share.
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
  Result<void> users();
  Result<std::vector<std::int64_t>> all_users();
  Result<void> chunk(std::span<const std::int64_t> users);
  Result<std::optional<std::vector<UserDrift>>> measure(std::span<const std::int64_t> users, std::int64_t& fix_seq);
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
  redis::Snapshot snapshot_;
  bool keeps_marks_ = false;      ///< a part of the pass failed: the suspicion stays
  std::int64_t fixes_known_ = 0;  ///< fixSeq as it is when nobody else has fixed since the first look
};

/// The graver outcome stays.
void Pass::found(ReconcileOutcome outcome) { report_.outcome = std::max(report_.outcome, outcome); }

/// In this order: the database's epoch and highest entry, then that Redis is open, then the snapshot. So the snapshot's
/// epoch being the database's proves that no half-loaded coupon was seen (a rebuild freezes before it raises the
/// database's epoch), and a database entry above the snapshot's last id proves that Redis rolled back.
Result<bool> Pass::look() {
  const std::int64_t id = report_.coupon_id;
  const auto state = from_sql(postgres::coupon_state(pg_, id));
  if (!state) return state.error();
  if (!state->has_value() || (*state)->publish_version == 0 || (*state)->status == postgres::CouponStatus::kPurged) {
    report_.outcome = ReconcileOutcome::kNotFound;
    return false;
  }
  state_ = **state;
  const auto highest = from_sql(postgres::highest_entry(pg_, id, state_.epoch));
  if (!highest) return highest.error();
  const auto open = redis::coupon_view(redis_, id, 0, view_);
  if (!open) return open.error();
  const auto snapshot = redis::reconcile_snapshot(redis_, id);
  if (!snapshot) return snapshot.error();
  if (*open != redis::ViewState::kFound || !snapshot->has_value() || (*snapshot)->epoch != state_.epoch) {
    report_.outcome = ReconcileOutcome::kNotLoaded;
    return false;
  }
  snapshot_ = **snapshot;
  fixes_known_ = snapshot_.fix_seq;
  report_.epoch = snapshot_.epoch;
  report_.suspect = snapshot_.suspect;
  if (highest->has_value() && **highest > snapshot_.last) {
    report_.outcome = ReconcileOutcome::kRolledBack;
    return false;
  }
  return true;
}

/// drift = stock + claims(F) + rows(earlier epochs, or id <= L and not in F) - totalNum, all of Redis' from one
/// snapshot. False: the coupon left Redis or its epoch meanwhile.
Result<bool> Pass::measure_stock() {
  const auto snapshot = redis::reconcile_snapshot(redis_, report_.coupon_id);
  if (!snapshot) return snapshot.error();
  if (!snapshot->has_value() || (*snapshot)->epoch != report_.epoch) return false;
  const std::int64_t suspect_seen = snapshot_.suspect;  // of the first look: what came later stays marked
  snapshot_ = **snapshot;
  const std::vector<EntryId> flying = entries_of(snapshot_);
  const auto rows =
      from_sql(postgres::reconcile_rows(pg_, report_.coupon_id, {snapshot_.epoch, snapshot_.last, flying}));
  if (!rows) return rows.error();
  if (!rows->has_value()) return false;
  report_.total = snapshot_.total;
  report_.stock = snapshot_.stock;
  report_.in_flight = claims_in(snapshot_);
  report_.settled = (*rows)->rows;
  report_.stock_drift = report_.stock + report_.in_flight + report_.settled - report_.total;
  report_.inflight_drift = snapshot_.inflight - report_.in_flight;
  // 0 clears nothing. While the users wait, the suspicion stays; and another fixer may have cleared what was seen, so
  // that the same number is a new suspicion now.
  const bool same_marks = snapshot_.fix_seq == fixes_known_;
  snapshot_.suspect = report_.users_deferred || keeps_marks_ || !same_marks ? 0 : suspect_seen;
  return true;
}

Result<void> Pass::stock() {
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    const auto measured = measure_stock();
    if (!measured) return measured.error();
    if (!*measured) {
      found(ReconcileOutcome::kNotLoaded);
      return {};
    }
    const bool drifting = report_.stock_drift != 0 || report_.inflight_drift != 0;
    if (!options_.fix) {
      if (drifting) found(ReconcileOutcome::kDrift);
      return {};
    }
    if (!drifting && snapshot_.suspect == 0) return {};
    test_point("reconcile.stock.fixing");
    const auto reply =
        redis::reconcile_fix(redis_, report_.coupon_id, snapshot_, -report_.stock_drift, -report_.inflight_drift);
    if (!reply) return reply.error();
    test_point("reconcile.stock.fixed");
    if (*reply == redis::FixReply::kFixed) {
      if (drifting) found(ReconcileOutcome::kFixed);
      return {};
    }
  }
  found(ReconcileOutcome::kMoved);
  return {};
}

/// Whoever may have a count at either side, or a claim in flight.
Result<std::vector<std::int64_t>> Pass::all_users() {
  const std::int64_t id = report_.coupon_id;
  auto scanned = scan_user_keys(redis_, id, pace_);
  if (!scanned) return scanned.error();
  std::vector<std::int64_t> users = std::move((*scanned)[id]);
  const auto flying = users_in_flight(redis_, id);
  if (!flying) return flying.error();
  for (const auto& [entry, in_entry] : *flying) users.insert(users.end(), in_entry.begin(), in_entry.end());
  for (std::int64_t after = 0;;) {
    const auto page = from_sql(postgres::user_counts(pg_, id, after, 5000));
    if (!page) return page.error();
    if (page->empty()) break;
    for (const postgres::UserCount& count : *page) users.push_back(count.user_id);
    after = page->back().user_id;
  }
  std::sort(users.begin(), users.end());
  users.erase(std::unique(users.begin(), users.end()), users.end());
  return users;
}

/// The same formula per user. Nullopt: the coupon left Redis or its epoch meanwhile.
Result<std::optional<std::vector<UserDrift>>> Pass::measure(std::span<const std::int64_t> users,
                                                            std::int64_t& fix_seq) {
  const auto counts = pace_([&] { return redis::user_counts(redis_, report_.coupon_id, users); });
  if (!counts) return counts.error();
  if (!counts->has_value() || (*counts)->epoch != report_.epoch) return std::optional<std::vector<UserDrift>>();
  fix_seq = (*counts)->fix_seq;
  std::vector<EntryId> flying;
  std::map<std::int64_t, std::int64_t> flying_claims;
  for (const redis::UserInFlight& flight : (*counts)->in_flight) {
    flying.push_back(flight.entry);
    ++flying_claims[flight.user_id];
  }
  std::sort(flying.begin(), flying.end());
  flying.erase(std::unique(flying.begin(), flying.end()), flying.end());
  const auto rows =
      from_sql(postgres::reconcile_user_rows(pg_, report_.coupon_id, {report_.epoch, (*counts)->last, flying}, users));
  if (!rows) return rows.error();
  std::vector<UserDrift> drifts;
  for (std::size_t i = 0; i < users.size(); ++i) {
    const auto flight = flying_claims.find(users[i]);
    const std::int64_t expected = (*rows)[i] + (flight == flying_claims.end() ? 0 : flight->second);
    if ((*counts)->counts[i] != expected) drifts.push_back({users[i], (*counts)->counts[i], expected});
  }
  return std::optional(std::move(drifts));
}

Result<void> Pass::chunk(std::span<const std::int64_t> users) {
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    std::int64_t fix_seq = 0;
    const auto measured = measure(users, fix_seq);
    if (!measured) return measured.error();
    if (!measured->has_value()) {
      found(ReconcileOutcome::kNotLoaded);
      return {};
    }
    const std::vector<UserDrift>& drifts = **measured;
    if (drifts.empty()) return {};
    if (options_.fix) {
      std::vector<redis::UserDelta> deltas;
      for (const UserDrift& drift : drifts) deltas.push_back({drift.user_id, drift.expected - drift.counted});
      test_point("reconcile.users.fixing");
      const auto reply = redis::user_counts_fix(redis_, report_.coupon_id, report_.epoch, fix_seq, deltas);
      if (!reply) return reply.error();
      test_point("reconcile.users.fixed");
      if (*reply == redis::FixReply::kMoved) continue;
      ++fixes_known_;
    }
    found(options_.fix ? ReconcileOutcome::kFixed : ReconcileOutcome::kDrift);
    report_.users_drifting += static_cast<std::int64_t>(drifts.size());
    const std::size_t room = kDriftsListed - report_.user_drifts.size();
    report_.user_drifts.insert(report_.user_drifts.end(), drifts.begin(),
                               drifts.begin() + static_cast<std::ptrdiff_t>(std::min(room, drifts.size())));
    return {};
  }
  found(ReconcileOutcome::kMoved);
  return {};
}

Result<void> Pass::users() {
  const auto users = all_users();
  if (!users) return users.error();
  const auto size = static_cast<std::size_t>(
      std::clamp<std::int64_t>(options_.user_chunk, 1, static_cast<std::int64_t>(redis::kUserChunkMax)));
  const std::span<const std::int64_t> all = *users;
  for (std::size_t from = 0; from < all.size(); from += size) {
    const auto part = all.subspan(from, std::min(size, all.size() - from));
    const auto looked = chunk(part);
    if (!looked) return looked.error();
    report_.users_checked += static_cast<std::int64_t>(part.size());
    if (options_.progress) options_.progress(report_.users_checked, static_cast<std::int64_t>(all.size()));
  }
  return {};
}

/// An operation that died between the database and Redis: the fix completes it, as its repetition would. No drift: the
/// totals differ, but each side agrees with itself. Is Redis' version the same and the coupon another all the same (a
/// clock that was ahead has ended it), then that is one.
Result<void> Pass::state() {
  report_.state_behind = state_.version > snapshot_.version;
  const bool heard = view_.version == state_.version;
  if (heard) report_.state_difference = state_difference(state_, view_);
  const bool differs = !report_.state_difference.empty();
  if (!options_.fix && differs) found(ReconcileOutcome::kDrift);
  if (!options_.fix || (!differs && !report_.state_behind)) return {};
  const auto reopened = tell();
  if (!reopened) return reopened.error();
  if (differs) found(*reopened ? ReconcileOutcome::kFixed : ReconcileOutcome::kDrift);
  test_point("reconcile.state.told");
  return {};
}

/// True: Redis had ended the coupon by its clock, and opened it again.
Result<bool> Pass::tell() {
  if (options_.take_back_cuts) {
    const auto told = tell_redis(redis_, pg_, state_);
    if (!told) return told.error();
    return told->reply == redis::ApplyReply::kReopened;
  }
  const auto reply = redis::apply_state(redis_, settings_of(state_), state_.may_create());
  if (!reply) return reply.error();
  return *reply == redis::ApplyReply::kReopened;
}

Result<ReconcileReport> Pass::run() {
  const auto looked = look();
  if (!looked) return looked.error();
  if (!*looked) return report_;
  const auto told = state();  // where Redis refuses that, its numbers can be mended all the same
  keeps_marks_ = !told;
  report_.users_deferred = options_.users && claims_in(snapshot_) > kInflightForUsers;
  if (options_.users && !report_.users_deferred) {
    const auto counted = users();
    if (!counted) return counted.error();
  }
  const auto mended = stock();  // last: it clears the suspicion
  if (!mended) return mended.error();
  if (options_.fix && (report_.outcome != ReconcileOutcome::kExact || report_.suspect > 0)) {
    log(LogLevel::kInfo, "admin", "reconciled",
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

}  // namespace flashclaim::admin
