// Calls the SQL functions; the state machine and every other rule is in sql/0005_operate.sql and 0013.
#include "engine/postgres/coupons.h"

#include "engine/base/try.h"
#include "engine/postgres/query.h"

namespace flashclaim::postgres {
namespace {

#define STATE_COLUMNS(of)                                                                                         \
  "(" of ").id, (" of ").name, (" of ").status, (" of ").epoch, (" of ").version, (" of ").publish_version, (" of \
  ").total_num, (" of ").target_total, (" of ").issue_num, (" of ").user_limit, (" of ").begin_ms, (" of          \
  ").end_ms, (" of ").max_inflight"

constexpr Statement kCreate{"create_coupon", "SELECT " STATE_COLUMNS("o.state") ", o.verdict FROM create_coupon($1::bigint, "
                            "$2::text, $3::bigint, $4::int, $5::bigint, $6::bigint, $7::bigint) o"};
constexpr Statement kOperate{
    "operate_coupon",
    "SELECT " STATE_COLUMNS("o.state") ", o.verdict FROM operate_coupon($1::bigint, $2::text, $3::bigint) o"};
constexpr Statement kUpdate{"update_coupon", "SELECT " STATE_COLUMNS("o.state") ", o.verdict FROM update_coupon($1::bigint, "
                            "$2::text, $3::bigint, $4::int, $5::bigint, $6::bigint, $7::bigint, $8::bigint) o"};
constexpr Statement kCompleteCut{
    "complete_cut", "SELECT " STATE_COLUMNS("o.state") ", o.verdict FROM complete_cut($1::bigint, $2::bigint) o"};
constexpr Statement kRebuild{"begin_rebuild",
                             "SELECT " STATE_COLUMNS("o.state") ", o.verdict FROM begin_rebuild($1::bigint) o"};
constexpr Statement kPurge{
    "purge_coupon", "SELECT " STATE_COLUMNS("o.state") ", o.verdict FROM purge_coupon($1::bigint, $2::bigint) o"};
constexpr Statement kPurgeClaims{"purge_claims", "SELECT purge_claims($1::bigint, $2::int)"};
constexpr Statement kState{"coupon_state", "SELECT " STATE_COLUMNS("s") " FROM coupon_state s WHERE s.id = $1::bigint"};
constexpr Statement kList{"list_coupons", "SELECT " STATE_COLUMNS("s") " FROM coupon_state s WHERE s.id > $1::bigint AND "
                          "s.status <> 'purged' AND ($3::text IS NULL OR s.status = $3::text) ORDER BY s.id LIMIT $2::int"};
constexpr Statement kEverPublished{"ever_published", "SELECT EXISTS (SELECT FROM coupon WHERE publish_version > 0)"};
constexpr Statement kHighestId{"highest_coupon_id", "SELECT coalesce(max(id), 0) FROM coupon"};
constexpr Statement kActAs{"act_as", "SELECT set_config('flashclaim.by', $1::text, false)"};
constexpr Statement kEvents{"coupon_events", "SELECT " STATE_COLUMNS("e.state") ", e.version, e.operation, e.actor, "
                            "(extract(epoch FROM e.happened_at) * 1000)::bigint FROM coupon_event e "
                            "WHERE e.coupon_id = $1::bigint ORDER BY e.version DESC LIMIT $2::int"};
#undef STATE_COLUMNS
constexpr int kStateColumns = 13;
constexpr int kPurgeClaimsMax = 20'000;  // per statement: well inside the statement timeout

template <class Word>
Word required(std::optional<Word> parsed) {
  if (!parsed) throw std::logic_error("the database answered a word that this build does not know");
  return *parsed;
}

CouponState read_state(const pqxx::row& row) {
  CouponState s;
  s.id = row[0].as<std::int64_t>();
  s.name = row[1].c_str();
  s.status = required(parse_coupon_status(row[2].c_str()));
  s.epoch = row[3].as<std::int64_t>();
  s.version = row[4].as<std::int64_t>();
  s.publish_version = row[5].as<std::int64_t>();
  s.total_num = row[6].as<std::int64_t>();
  s.target_total = row[7].as<std::int64_t>();
  s.issue_num = row[8].as<std::int64_t>();
  s.user_limit = row[9].as<std::int64_t>();
  s.begin_ms = row[10].as<std::int64_t>();
  s.end_ms = row[11].as<std::int64_t>();
  s.max_inflight = row[12].as<std::int64_t>();
  return s;
}

std::optional<OperationVerdict> parse_verdict(std::string_view text) {
  for (OperationVerdict verdict :
       {OperationVerdict::kApplied, OperationVerdict::kUnchanged, OperationVerdict::kNotFound,
        OperationVerdict::kExists, OperationVerdict::kWrongStatus, OperationVerdict::kMoved,
        OperationVerdict::kBelowIssued, OperationVerdict::kShrinks})
    if (word(verdict) == text) return verdict;
  return std::nullopt;
}

SqlResult<Operated> operated(Session& session, const Statement& statement, std::int64_t id,
                             const std::vector<Param>& params) {
  return run(session, statement, params, [&](const pqxx::result& rows) {
    const pqxx::row row = rows.at(0);
    Operated answer{required(parse_verdict(row[kStateColumns].c_str())), {}};
    if (row[0].is_null())
      answer.state.id = id;
    else
      answer.state = read_state(row);
    return answer;
  });
}

std::vector<CouponState> read_states(const pqxx::result& rows) {
  std::vector<CouponState> states;
  for (const auto& row : rows) states.push_back(read_state(row));
  return states;
}

}  // namespace

std::string_view word(CouponStatus status) {
  switch (status) {
    case CouponStatus::kDraft:
      return "draft";
    case CouponStatus::kIssuing:
      return "issuing";
    case CouponStatus::kPaused:
      return "paused";
    case CouponStatus::kEnded:
      return "ended";
    case CouponStatus::kPurged:
      return "purged";
  }
  return "";
}

std::optional<CouponStatus> parse_coupon_status(std::string_view text) {
  for (CouponStatus status : {CouponStatus::kDraft, CouponStatus::kIssuing, CouponStatus::kPaused, CouponStatus::kEnded,
                              CouponStatus::kPurged})
    if (word(status) == text) return status;
  return std::nullopt;
}

std::string_view word(OperationVerdict verdict) {
  switch (verdict) {
    case OperationVerdict::kApplied:
      return "applied";
    case OperationVerdict::kUnchanged:
      return "unchanged";
    case OperationVerdict::kNotFound:
      return "not_found";
    case OperationVerdict::kExists:
      return "exists";
    case OperationVerdict::kWrongStatus:
      return "wrong_status";
    case OperationVerdict::kMoved:
      return "moved";
    case OperationVerdict::kBelowIssued:
      return "below_issued";
    case OperationVerdict::kShrinks:
      return "shrinks";
  }
  return "";
}

std::string_view word(Operation operation) {
  switch (operation) {
    case Operation::kPublish:
      return "publish";
    case Operation::kPause:
      return "pause";
    case Operation::kResume:
      return "resume";
    case Operation::kEnd:
      return "end";
  }
  return "";
}

SqlResult<Operated> create_coupon(Session& session, const NewCoupon& coupon) {
  return operated(session, kCreate, coupon.id,
                  {param(coupon.id), coupon.name, param(coupon.total_num), param(coupon.user_limit),
                   param(coupon.begin_ms), param(coupon.end_ms), param(coupon.max_inflight)});
}

SqlResult<Operated> operate_coupon(Session& session, std::int64_t id, Operation operation, SeenVersion seen) {
  return operated(session, kOperate, id, {param(id), std::string(word(operation)), param(seen)});
}

SqlResult<Operated> update_coupon(Session& session, std::int64_t id, const CouponChanges& changes) {
  return operated(session, kUpdate, id,
                  {param(id), changes.name, param(changes.total), param(changes.user_limit), param(changes.end_ms),
                   param(changes.max_inflight), param(changes.begin_ms), param(changes.seen)});
}

SqlResult<Operated> complete_cut(Session& session, std::int64_t id, std::int64_t version) {
  return operated(session, kCompleteCut, id, {param(id), param(version)});
}

SqlResult<Operated> begin_rebuild(Session& session, std::int64_t id) {
  return operated(session, kRebuild, id, {param(id)});
}

SqlResult<Operated> purge_coupon(Session& session, std::int64_t id, SeenVersion seen) {
  auto purged = operated(session, kPurge, id, {param(id), param(seen)});
  if (!purged || !is_success(purged->verdict)) return purged;
  for (;;) {
    auto deleted = TRY(run(session, kPurgeClaims, {param(id), param(kPurgeClaimsMax)},
                           [](const pqxx::result& rows) { return rows.at(0)[0].as<std::int64_t>(); }));
    if (deleted == 0) return purged;
  }
}

SqlResult<std::optional<CouponState>> coupon_state(Session& session, std::int64_t id) {
  return run(session, kState, {param(id)},
             [](const pqxx::result& rows) { return rows.empty() ? std::nullopt : std::optional(read_state(rows[0])); });
}

SqlResult<std::vector<CouponState>> list_coupons(Session& session, std::int64_t after_id, int limit,
                                                 std::optional<CouponStatus> status) {
  return run(session, kList, {param(after_id), param(limit), status ? Param(std::string(word(*status))) : std::nullopt},
             read_states);
}

SqlResult<bool> ever_published(Session& session) {
  return run(session, kEverPublished, {}, [](const pqxx::result& rows) { return rows.at(0)[0].as<bool>(); });
}

SqlResult<std::int64_t> highest_coupon_id(Session& session) {
  return run(session, kHighestId, {}, [](const pqxx::result& rows) { return rows.at(0)[0].as<std::int64_t>(); });
}

SqlResult<void> act_as(Session& session, const std::string& who) {
  const auto set = run(session, kActAs, {who}, [](const pqxx::result& rows) { return rows.size(); });
  return set ? SqlResult<void>() : SqlResult<void>(set.error());
}

SqlResult<std::vector<CouponEvent>> coupon_events(Session& session, std::int64_t id, int limit) {
  return run(session, kEvents, {param(id), param(limit)}, [](const pqxx::result& rows) {
    std::vector<CouponEvent> events;
    for (const auto& row : rows)
      events.push_back({row[kStateColumns].as<std::int64_t>(), row[kStateColumns + 1].c_str(),
                        row[kStateColumns + 2].c_str(), row[kStateColumns + 3].as<std::int64_t>(), read_state(row)});
    return events;
  });
}

}  // namespace flashclaim::postgres
