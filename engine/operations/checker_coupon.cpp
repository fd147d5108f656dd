// Reads one coupon from Redis and the database, then judges each invariant by itself.
#include "engine/operations/checker_coupon.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "engine/base/try.h"
#include "engine/operations/state_difference.h"
#include "engine/operations/sync_redis.h"
#include "engine/operations/user_keys.h"

namespace flashclaim::operations {
namespace {

constexpr int kClaimsPage = 10'000;
constexpr int kEventsMax = 100'000;

/// Counts offenders and remembers the first for the text.
struct Offenders {
  std::int64_t count = 0;
  std::string first;
  void add(std::string example) {
    if (count++ == 0) first = std::move(example);
  }
};

}  // namespace

CouponCheck::CouponCheck(redis::Client& redis, postgres::Session& pg, std::int64_t coupon_id,
                         const CheckOptions& options, const Reported& reported,
                         const std::vector<std::int64_t>& counted, CheckReport& report)
    : redis_(redis),
      pg_(pg),
      id_(coupon_id),
      options_(options),
      reported_(reported),
      counted_(counted),
      report_(report) {}

void CouponCheck::violation(int invariant, std::int64_t count, std::string text) {
  report_.violations.push_back({invariant, id_, count, std::move(text)});
}

Result<void> CouponCheck::run() {
  for (const auto step : {&CouponCheck::read_redis, &CouponCheck::read_database}) {
    TRY((this->*step)());
  }
  if (!state_) {
    violation(4, 1, "the database has no such coupon");
    return {};
  }
  judge_total();
  judge_limits();
  judge_outcomes();
  judge_acknowledged();
  if (options_.at_rest) {
    judge_rest();
    judge_user_counts();
    if (!options_.lost_allowed) judge_refusals();
  }
  return {};
}

Result<void> CouponCheck::read_redis() {
  snapshot_ = TRY(redis::reconcile_counters(redis_, id_));
  const auto unaccepted = TRY(redis::ok(redis_.command({"HGET", redis::CouponKeys(id_).coupon, "unaccepted"})));
  report_.unaccepted += parse_number(unaccepted.text()).value_or(0);
  flying_ = TRY(users_in_flight(redis_, id_, Pace(kScanShare)));
  dead_ = TRY(dead_entries(redis_, id_));
  for (const auto& [entry, users] : flying_) {
    report_.in_flight += static_cast<std::int64_t>(users.size());
    if (dead_.contains(entry)) report_.dead += static_cast<std::int64_t>(users.size());
  }
  if (snapshot_) report_.left += std::max<std::int64_t>(0, snapshot_->stock);
  if (!options_.at_rest) return {};
  const auto viewed = read_view();
  return viewed ? read_counts() : viewed;
}

Result<void> CouponCheck::read_view() {
  const auto exists = TRY(redis::ok(redis_.command({"EXISTS", redis::CouponKeys(id_).coupon})));
  has_hash_ = exists.integer() == 1;
  redis::CouponView view;
  const auto seen = TRY(redis::coupon_view(redis_, id_, 0, view));
  if (seen == redis::ViewState::kFound) view_ = view;
  return {};
}

Result<void> CouponCheck::read_counts() {
  const redis::CouponKeys names(id_);
  constexpr std::size_t kUsersACall = 250;  // Redis serves no other client during the call
  for (std::size_t from = 0; from < counted_.size(); from += kUsersACall) {
    const std::size_t to = std::min(counted_.size(), from + kUsersACall);
    std::vector<std::string> command = {"MGET"};
    for (std::size_t i = from; i < to; ++i) command.push_back(names.user(counted_[i]));
    const auto values = TRY(redis::ok(redis_.command(command)));
    for (std::size_t i = from; i < to; ++i) {
      const auto count = parse_number(values[i - from].text());
      redis_counts_[counted_[i]] = count.value_or(-1);  // damaged: agrees with nothing
    }
  }
  return {};
}

Result<void> CouponCheck::read_database() {
  const auto state = TRY(postgres::from_sql(postgres::coupon_state(pg_, id_)));
  if (!state.has_value()) return {};
  state_ = *state;
  const auto counts = TRY(postgres::from_sql(postgres::coupon_counts(pg_, id_)));
  counts_ = counts.value_or(postgres::CouponCounts{});
  TRY(read_claims());
  return read_lowest_terms();
}

Result<void> CouponCheck::read_claims() {
  for (ClaimId after{id_, 0, {0, 0}, 0};;) {
    auto page = TRY(postgres::from_sql(postgres::list_claims(pg_, after, kClaimsPage)));
    claims_.insert(claims_.end(), page.begin(), page.end());
    if (page.size() < static_cast<std::size_t>(kClaimsPage)) break;
    after = page.back().id;
  }
  for (const postgres::KnownClaim& claim : claims_) {
    ++(claim.refusal ? refused_by_ : settled_by_)[claim.user_id];
    settled_ += claim.refusal ? 0 : 1;
  }
  report_.settled += settled_;
  report_.refused += static_cast<std::int64_t>(claims_.size()) - settled_;
  return {};
}

/// For INV-5: a refusal must be true by the terms of its time, and these were never below the lowest.
Result<void> CouponCheck::read_lowest_terms() {
  lowest_total_ = state_->target_total;
  lowest_limit_ = state_->user_limit;
  if (reported_.told.empty()) return {};
  const auto events = TRY(postgres::from_sql(postgres::coupon_events(pg_, id_, kEventsMax)));
  for (const postgres::CouponEvent& event : events) {
    lowest_total_ = std::min(lowest_total_, event.state.target_total);
    lowest_limit_ = std::min(lowest_limit_, event.state.user_limit);
  }
  return {};
}

void CouponCheck::judge_total() {
  if (settled_ > state_->total_num) {
    violation(1, settled_ - state_->total_num,
              fmt::format("oversold: {} claims are settled, the total is {}", settled_, state_->total_num));
  }
  // A purged coupon is a tombstone: its count stays, its rows were deleted.
  const bool keeps_rows = state_->status != postgres::CouponStatus::kPurged;
  if (options_.at_rest && keeps_rows && (state_->issue_num != settled_ || counts_.rows != settled_)) {
    violation(1, 1, fmt::format("issue_num is {}, but {} rows are there", state_->issue_num, counts_.rows));
  }
}

void CouponCheck::judge_limits() {
  Offenders over;
  for (const auto& [user, rows] : settled_by_) {
    if (rows > state_->user_limit) over.add(fmt::format("user {} has {}", user, rows));
  }
  if (over.count > 0) {
    violation(2, over.count,
              fmt::format("{} users hold more than {} each: {}", over.count, state_->user_limit, over.first));
  }
}

void CouponCheck::judge_outcomes() {
  Offenders both;
  Offenders twice;
  for (std::size_t i = 1; i < claims_.size(); ++i) {
    if (claims_[i].id != claims_[i - 1].id) continue;
    const bool same_kind = claims_[i].refusal.has_value() == claims_[i - 1].refusal.has_value();
    (same_kind ? twice : both).add(claims_[i].id.text());
  }
  if (both.count > 0 || counts_.both > 0) {
    const std::int64_t count = std::max(both.count, counts_.both);
    violation(3, count, fmt::format("{} claims are both settled and refused: {}", count, both.first));
  }
  if (twice.count > 0)
    violation(3, twice.count, fmt::format("{} claims have two outcomes: {}", twice.count, twice.first));
}

void CouponCheck::judge_acknowledged() {
  if (reported_.acknowledged.empty()) return;
  Offenders nowhere;
  Offenders foreign;
  std::map<ClaimId, const postgres::KnownClaim*> outcomes;
  for (const postgres::KnownClaim& claim : claims_) outcomes.emplace(claim.id, &claim);
  for (const auto& [claim, user] : reported_.acknowledged) {
    std::optional<std::int64_t> holder;
    if (const auto outcome = outcomes.find(claim); outcome != outcomes.end()) {
      holder = outcome->second->user_id;
    } else if (const auto entry = flying_.find(claim.entry);
               entry != flying_.end() && snapshot_ && snapshot_->epoch == claim.epoch && claim.index >= 0 &&
               static_cast<std::size_t>(claim.index) < entry->second.size()) {
      holder = entry->second[static_cast<std::size_t>(claim.index)];
      ++report_.pending;
    }
    if (!holder) nowhere.add(claim.text());
    if (holder && *holder != user)
      foreign.add(fmt::format("{} was told to {}, it is of {}", claim.text(), user, *holder));
  }
  lost_ = nowhere.count;
  report_.lost += lost_;
  if (lost_ > 0 && !options_.lost_allowed) {
    violation(3, lost_, fmt::format("{} acknowledged claims are nowhere: {}", lost_, nowhere.first));
  }
  if (foreign.count > 0)
    violation(3, foreign.count, fmt::format("{} claims have another user: {}", foreign.count, foreign.first));
  for (const postgres::KnownClaim& claim : claims_) {
    if (!claim.refusal && !reported_.acknowledged.contains(claim.id)) ++report_.untold;
  }
}

void CouponCheck::judge_rest() {
  if (state_->publish_version == 0 || state_->status == postgres::CouponStatus::kPurged) {
    if (has_hash_) violation(4, 1, fmt::format("Redis holds a coupon that is {}", postgres::word(state_->status)));
    return;
  }
  if (!snapshot_) {
    violation(4, 1, "Redis does not hold the coupon");
    return;
  }
  std::int64_t in_flight = 0;
  Offenders living;
  for (const auto& [entry, users] : flying_) {
    in_flight += static_cast<std::int64_t>(users.size());
    if (!dead_.contains(entry)) living.add(entry.text());
  }
  if (living.count > 0) {
    violation(4, living.count, fmt::format("{} unfinished entries that are not dead: {}", living.count, living.first));
  }
  for (const EntryId& entry : dead_) {
    if (!flying_.contains(entry)) violation(4, 1, fmt::format("{} is marked dead and not in the stream", entry.text()));
  }
  if (const std::int64_t sum = snapshot_->stock + settled_ + in_flight; sum != snapshot_->total) {
    violation(4, std::abs(sum - snapshot_->total),
              fmt::format("stock {} + settled {} + in flight or dead {} = {}, the total is {}", snapshot_->stock,
                          settled_, in_flight, sum, snapshot_->total));
  }
  if (snapshot_->total != state_->target_total || snapshot_->epoch != state_->epoch) {
    violation(4, 1,
              fmt::format("Redis has total {} and epoch {}, the database {} and {}", snapshot_->total, snapshot_->epoch,
                          state_->target_total, state_->epoch));
  } else if (const std::string other = view_ ? state_difference(*state_, *view_) : ""; !other.empty()) {
    violation(4, 1, other);
  }
  if (snapshot_->inflight != in_flight) {
    violation(4, 1, fmt::format("inflight counts {}, the stream holds {}", snapshot_->inflight, in_flight));
  }
}

void CouponCheck::judge_user_counts() {
  if (!snapshot_) return;
  std::unordered_map<std::int64_t, std::int64_t> expected = settled_by_;
  for (const auto& [entry, users] : flying_) {
    for (const std::int64_t user : users) ++expected[user];
  }
  Offenders differing;
  for (const auto& [user, count] : expected) {
    const auto counted = redis_counts_.find(user);
    const std::int64_t has = counted == redis_counts_.end() ? 0 : counted->second;
    if (has != count) differing.add(fmt::format("user {} has {} claims, Redis counts {}", user, count, has));
  }
  for (const auto& [user, count] : redis_counts_) {
    if (!expected.contains(user)) differing.add(fmt::format("user {} has no claim, Redis counts {}", user, count));
  }
  if (differing.count > 0) {
    violation(4, differing.count, fmt::format("{} user counts differ: {}", differing.count, differing.first));
  }
}

/// Necessary conditions, so never a false alarm. "Sold out" is true only if at least the lowest total there ever was
/// (or the total that the client knows to have been in force) was given out; "limit reached" only if the lowest limit
/// was accepted from that user. Every acceptance left a row, a refusal or an entry.
void CouponCheck::judge_refusals() {
  std::unordered_map<std::int64_t, std::int64_t> accepted = settled_by_;
  for (const auto& [user, count] : refused_by_) accepted[user] += count;
  std::int64_t all = static_cast<std::int64_t>(claims_.size());
  for (const auto& [entry, users] : flying_) {
    all += static_cast<std::int64_t>(users.size());
    for (const std::int64_t user : users) ++accepted[user];
  }
  Offenders sold_out;
  Offenders limited;
  for (const ReportedRefusal& told : reported_.told) {
    if (told.kind == ReportedRefusal::Kind::kSoldOut) {
      const std::int64_t total = std::max(lowest_total_, told.in_force);
      if (all < total) sold_out.add(fmt::format("only {} of {} were ever accepted", all, total));
    } else {
      const std::int64_t limit = std::max(lowest_limit_, told.in_force);
      const auto held = accepted.find(told.user_id);
      if ((held == accepted.end() ? 0 : held->second) < limit)
        limited.add(fmt::format("below their limit of {}: user {}", limit, told.user_id));
    }
  }
  if (sold_out.count > 0) {
    violation(5, sold_out.count, fmt::format("{} users were told SOLD_OUT, but {}", sold_out.count, sold_out.first));
  }
  if (limited.count > 0) {
    violation(5, limited.count, fmt::format("{} users were told LIMIT_REACHED {}", limited.count, limited.first));
  }
}

}  // namespace flashclaim::operations
