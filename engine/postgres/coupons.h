// The life of a coupon in the database: every change allocates version + 1 in the transaction of its coupon_event row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/try.h"
#include "engine/postgres/session.h"

namespace flashclaim::postgres {

enum class CouponStatus { kDraft, kIssuing, kPaused, kEnded, kPurged };
std::string_view word(CouponStatus status);
std::optional<CouponStatus> parse_coupon_status(std::string_view word);

/// The row. Redis gets `target_total` (its totalNum); PostgreSQL settles at most `total_num`. They differ only while a
/// cut is under way (target_total < total_num).
struct CouponState {
  std::int64_t id = 0;
  std::string name;
  CouponStatus status = CouponStatus::kDraft;
  std::int64_t epoch = 1;
  std::int64_t version = 0;
  std::int64_t publish_version = 0;  ///< the version that the publish allocated; 0 = never published
  std::int64_t total_num = 0;
  std::int64_t target_total = 0;
  std::int64_t issue_num = 0;  ///< settled claims
  std::int64_t user_limit = 1;
  std::int64_t begin_ms = 0;  ///< epoch milliseconds
  std::int64_t end_ms = 0;    ///< epoch milliseconds, exclusive
  std::int64_t max_inflight = 0;

  /// apply_state may create the coupon in Redis: nothing has happened since the publish itself.
  [[nodiscard]] bool may_create() const { return issue_num == 0 && publish_version > 0 && version == publish_version; }
};

/// The answer of an operation. Only kApplied allocated a version. A duplicate is kUnchanged, and a success.
enum class OperationVerdict {
  kApplied,
  kUnchanged,    ///< it is so already: nothing written
  kNotFound,     ///< no such coupon (or purged, for everything but purge)
  kExists,       ///< create: the id is taken, now or by a purged coupon (ids are never used again), with other values
  kWrongStatus,  ///< the state machine has no such step from here
  kMoved,        ///< the coupon's version is not the one that was given: another operation came between
  kBelowIssued,  ///< a total below issue_num
  kShrinks,      ///< a later begin, an earlier end or a lower user limit: users may have been told otherwise
};
std::string_view word(OperationVerdict verdict);
constexpr bool is_success(OperationVerdict verdict) {
  return verdict == OperationVerdict::kApplied || verdict == OperationVerdict::kUnchanged;
}

struct Operated {
  OperationVerdict verdict = OperationVerdict::kNotFound;
  CouponState state;  ///< after the operation; only `id` is set when the coupon is not there
};

struct NewCoupon {
  std::int64_t id = 0;
  std::string name;  ///< 1..200 characters
  std::int64_t total_num = 0;
  std::int64_t user_limit = 1;
  std::int64_t begin_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t max_inflight = 2'000'000;
};
/// A draft with epoch 1 and version 1. Values outside their limits are kData (a named CHECK constraint). With the same
/// values as a coupon that is there: kUnchanged.
SqlResult<Operated> create_coupon(Session& session, const NewCoupon& coupon);

/// The version that the caller has read. The operation is carried out on that version only, else it answers kMoved.
/// nullopt: on any version.
using SeenVersion = std::optional<std::int64_t>;

/// publish: draft -> issuing. pause: issuing -> paused. resume: paused -> issuing. end: draft, issuing, paused ->
/// ended.
enum class Operation { kPublish, kPause, kResume, kEnd };
std::string_view word(Operation operation);
SqlResult<Operated> operate_coupon(Session& session, std::int64_t id, Operation operation, SeenVersion seen = {});

struct CouponChanges {
  std::optional<std::string> name = {};
  std::optional<std::int64_t> total = {};  ///< becomes target_total; total_num at once only when it grows
  std::optional<std::int64_t> user_limit = {};
  std::optional<std::int64_t> end_ms = {};
  std::optional<std::int64_t> max_inflight = {};
  std::optional<std::int64_t> begin_ms = {};  ///< of a published coupon only an earlier one
  SeenVersion seen = {};
};
/// A raise (total above total_num) lifts both totals; a cut lowers target_total only and waits for complete_cut; a
/// total equal to total_num takes a cut back. Of an ended coupon, only a cut may be taken
/// back (else kWrongStatus). Without any difference:
/// kUnchanged.
SqlResult<Operated> update_coupon(Session& session, std::int64_t id, const CouponChanges& changes);

/// Sets total_num = target_total, once what Redis had in flight at `version` is finished. `version` is what the caller
/// read before it began to wait: kMoved when the coupon has another version by now. kUnchanged when there is no cut.
SqlResult<Operated> complete_cut(Session& session, std::int64_t id, std::int64_t version);

/// epoch + 1, before the coupon is loaded again into a Redis that lost its data. From now on claims of the old epoch
/// are refused as stale_epoch. Not for a coupon that was never published (kWrongStatus).
SqlResult<Operated> begin_rebuild(Session& session, std::int64_t id);

/// ended -> purged: leaves the coupon's row as a tombstone, then deletes its claims and refusals in bounded statements.
/// The caller has seen that the stream is empty. May be repeated after any error: it goes on where it was.
SqlResult<Operated> purge_coupon(Session& session, std::int64_t id, SeenVersion seen = {});

/// Coupons in one page of each_coupon_page().
inline constexpr int kCouponPage = 500;
/// nullopt: no such coupon. A purged one is returned with status kPurged.
SqlResult<std::optional<CouponState>> coupon_state(Session& session, std::int64_t id);
/// In id order, ids above `after_id`, at most `limit`; without purged ones. `status` narrows it.
SqlResult<std::vector<CouponState>> list_coupons(Session& session, std::int64_t after_id, int limit,
                                                 std::optional<CouponStatus> status = std::nullopt);
/// All coupons, page after page: calls visit(page, after), where `after` was the argument of list_coupons, until it
/// returns false or an error. `visit` returns Result<bool>: go on?
template <class Visit>
Result<void> each_coupon_page(Session& session, Visit visit, std::optional<CouponStatus> status = std::nullopt) {
  for (std::int64_t after = 0;;) {
    const std::vector<CouponState> page = TRY(from_sql(list_coupons(session, after, kCouponPage, status)));
    if (page.empty()) return {};
    const bool go_on = TRY(visit(page, after));
    if (!go_on) return {};
    after = page.back().id;
  }
}
/// True when any coupon was ever published (a purged one counts): an empty Redis beside such a database has lost data.
SqlResult<bool> ever_published(Session& session);
/// The highest id that any coupon ever had, purged ones included; 0 when there is none. Ids above it are free, unless
/// another caller takes one at the same moment.
SqlResult<std::int64_t> highest_coupon_id(Session& session);

struct CouponEvent {
  std::int64_t version = 0;
  std::string operation;  ///< create, publish, pause, resume, end, update, complete_cut, rebuild, purge
  std::string actor;      ///< who did it: act_as(), else the application_name of the session
  std::int64_t at_ms = 0;
  CouponState state;  ///< as it became (issue_num as it was then)
};
/// From now on, what this session does is recorded as done by `who`.
SqlResult<void> act_as(Session& session, const std::string& who);
/// The last `limit` operations, newest first.
SqlResult<std::vector<CouponEvent>> coupon_events(Session& session, std::int64_t id, int limit);

}  // namespace flashclaim::postgres
