// Compares counts while claims come and go. One call gives, as of one moment, the counts of some users, which of their
// known entries are still in flight, and what was added above the known entries.
#include "engine/operations/reconcile_users.h"

#include <algorithm>
#include <limits>
#include <map>

#include "engine/base/test_point.h"
#include "engine/base/try.h"
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"
#include "engine/postgres/ledger.h"
#include "engine/redis/functions.h"

namespace flashclaim::operations {
namespace {

constexpr int kTriesMax = 5;      ///< another fixer may come between; it did the work then
constexpr int kCatchUpsMax = 50;  ///< claims come faster than they are read
/// Entries in one call about several users: 500 entries took 4 ms when measured, sometimes 11 ms.
constexpr std::size_t kEntriesACall = 100;
constexpr std::size_t kDriftsListed = 1000;
constexpr EntryId kNoEnd{std::numeric_limits<std::int64_t>::max(), 0};

std::size_t most_entries(std::span<const std::int64_t> users) {
  return users.size() == 1 ? redis::kKnownEntriesMax : kEntriesACall;
}

void sort_unique(auto& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

UsersPass::UsersPass(redis::Client& redis, postgres::Session& pg, const ReconcileOptions& options, const Pace& pace,
                     ReconcileReport& report)
    : redis_(redis),
      pg_(pg),
      options_(options),
      pace_(pace),
      report_(report),
      flight_(redis, report.coupon_id, pace, true) {}

void UsersPass::found(ReconcileOutcome outcome) { report_.outcome = std::max(report_.outcome, outcome); }

Result<void> UsersPass::run() {
  const auto users = TRY(all_users());
  const auto size = static_cast<std::size_t>(
      std::clamp<std::int64_t>(options_.user_chunk, 1, static_cast<std::int64_t>(redis::kUserChunkMax)));
  const std::span<const std::int64_t> all = users;
  for (std::size_t from = 0; from < all.size(); from += size) {
    const auto part = all.subspan(from, std::min(size, all.size() - from));
    TRY(chunk(part));
    report_.users_checked += static_cast<std::int64_t>(part.size());
    if (options_.progress) options_.progress(report_.users_checked, static_cast<std::int64_t>(all.size()));
    if (options_.between) options_.between();
  }
  return {};
}

/// All users with a claim in flight, a row, or a refusal: no other user can have a count that the library wrote.
Result<std::vector<std::int64_t>> UsersPass::all_users() {
  for (;;) {
    const auto more = TRY(flight_.read_page(kNoEnd));
    if (options_.between) options_.between();
    if (!more) break;
  }
  std::vector<std::int64_t> users = flight_.users();
  if (options_.strays != nullptr) users.insert(users.end(), options_.strays->begin(), options_.strays->end());
  TRY(add_database_users(users));
  sort_unique(users);
  return users;
}

Result<void> UsersPass::add_database_users(std::vector<std::int64_t>& users) {
  return each_database_user(pg_, report_.coupon_id, [&](std::span<const std::int64_t> page) {
    users.insert(users.end(), page.begin(), page.end());
    return Result<void>();
  });
}

/// Nullopt: the coupon left Redis or its epoch meanwhile. Fills `known` and `entries` with what was asked about.
Result<std::optional<redis::UserCounts>> UsersPass::counts(std::span<const std::int64_t> users,
                                                           std::vector<EntryId>& entries,
                                                           std::vector<Flight::Claim>& known) {
  for (int attempt = 0; attempt < kCatchUpsMax; ++attempt) {
    for (bool more = true; more;) {
      more = TRY(flight_.read_page(kNoEnd, Flight::Rest::kNone));
    }
    entries.clear();
    known.clear();
    for (const std::int64_t user : users) {
      for (const EntryId entry : flight_.of_user(user)) {
        known.emplace_back(user, entry);
        entries.push_back(entry);
      }
    }
    sort_unique(entries);
    if (entries.size() > most_entries(users)) return std::optional(redis::UserCounts{});  // the caller splits them
    auto counted =
        pace_([&] { return redis::user_counts(redis_, report_.coupon_id, flight_.known(), users, entries); });
    if (!counted || !counted->has_value() || !(*counted)->behind) return counted;
  }
  return failure("claims come faster than they can be read: run it again");
}

/// For each user: drift = count - rows(earlier epochs, or id <= L and not in flight) - claims in flight.
Result<std::optional<UsersPass::Look>> UsersPass::look(std::span<const std::int64_t> users) {
  std::vector<EntryId> entries;
  std::vector<Flight::Claim> known;
  const auto counted = TRY(counts(users, entries, known));
  if (!counted.has_value()) return std::optional<Look>();
  const redis::UserCounts& seen = *counted;
  if (entries.size() > most_entries(users)) return std::optional(Look{-1, {}});
  if (seen.epoch != report_.epoch) return std::optional<Look>();
  std::vector<EntryId> flying;
  std::map<std::int64_t, std::int64_t> claims;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (seen.present[i]) flying.push_back(entries[i]);
  }
  for (const auto& [user, entry] : known) {
    if (std::binary_search(flying.begin(), flying.end(), entry)) ++claims[user];
  }
  for (const redis::UserInFlight& flight : seen.in_flight) {
    flying.push_back(flight.entry);
    ++claims[flight.user_id];
  }
  sort_unique(flying);
  const auto rows = TRY(postgres::from_sql(
      postgres::reconcile_user_rows(pg_, report_.coupon_id, {report_.epoch, seen.last, flying}, users)));
  Look found{seen.fix_seq, {}};
  for (std::size_t i = 0; i < users.size(); ++i) {
    const auto flight = claims.find(users[i]);
    const std::int64_t expected = rows[i] + (flight == claims.end() ? 0 : flight->second);
    if (seen.counts[i] != expected) found.drifts.push_back({users[i], seen.counts[i], expected});
  }
  return std::optional(std::move(found));
}

void UsersPass::note(const std::vector<UserDrift>& drifts) {
  report_.users_drifting += static_cast<std::int64_t>(drifts.size());
  const std::size_t room = kDriftsListed - report_.user_drifts.size();
  report_.user_drifts.insert(report_.user_drifts.end(), drifts.begin(),
                             drifts.begin() + static_cast<std::ptrdiff_t>(std::min(room, drifts.size())));
}

Result<void> UsersPass::halves(std::span<const std::int64_t> users) {
  if (users.size() == 1) {
    report_.users_deferred = true;
    return {};
  }
  const auto first = chunk(users.first(users.size() / 2));
  return first ? chunk(users.subspan(users.size() / 2)) : first;
}

Result<void> UsersPass::chunk(std::span<const std::int64_t> users) {
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    const auto looked = TRY(look(users));
    if (!looked.has_value()) {
      found(ReconcileOutcome::kNotLoaded);
      return {};
    }
    if (looked->fix_seq < 0) return halves(users);
    const std::vector<UserDrift>& drifts = looked->drifts;
    if (drifts.empty()) return {};
    if (options_.fix) {
      std::vector<redis::UserDelta> deltas;
      for (const UserDrift& drift : drifts) deltas.push_back({drift.user_id, drift.expected - drift.counted});
      test_point("reconcile.users.fixing");
      const auto reply = TRY(redis::user_counts_fix(redis_, report_.coupon_id, report_.epoch, looked->fix_seq, deltas));
      test_point("reconcile.users.fixed");
      if (reply == redis::FixReply::kMoved) continue;
      ++fixes_;
    }
    found(options_.fix ? ReconcileOutcome::kFixed : ReconcileOutcome::kDrift);
    note(drifts);
    return {};
  }
  found(ReconcileOutcome::kMoved);
  return {};
}

}  // namespace flashclaim::operations
