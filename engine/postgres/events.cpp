// Elects the one relay by an advisory lock, reads events in order, and deletes those that were published.
#include "engine/postgres/events.h"

#include "engine/base/try.h"
#include "engine/postgres/query.h"

namespace flashclaim::postgres {
namespace {

constexpr Statement kLock{"become_relay", "SELECT pg_try_advisory_lock(7378697629483820646)"};
constexpr Statement kEvents{
    "settlement_events",
    "SELECT id, decided_ms, coupon, epoch, ms, seq, idx, usr, outcome FROM settlement_events($1::int)"};
constexpr Statement kForget{"forget_settlement_events", "SELECT forget_settlement_events($1::text::bigint[])"};
constexpr Statement kFeed{"settlement_feed",
                          "SELECT wanted, (SELECT count(*) FROM (SELECT FROM settlement_event LIMIT 100000) e) FROM "
                          "settlement_feed"};
constexpr Statement kWant{"want_settlement_events", "SELECT want_settlement_events($1::boolean)"};

}  // namespace

SqlResult<bool> become_relay(Session& session) {
  return run(session, kLock, {}, [](const pqxx::result& rows) { return rows[0][0].as<bool>(); });
}

SqlResult<std::vector<SettlementEvent>> settlement_events(Session& session, int batches) {
  return run(session, kEvents, {param(batches)}, [](const pqxx::result& rows) {
    std::vector<SettlementEvent> events;
    for (const auto& row : rows) {
      SettlementEvent event;
      event.batch = row[0].as<std::int64_t>();
      event.decided_ms = row[1].as<std::int64_t>();
      event.claim = {row[2].as<std::int64_t>(),
                     row[3].as<std::int32_t>(),
                     {row[4].as<std::int64_t>(), row[5].as<std::int64_t>()},
                     row[6].as<std::int32_t>()};
      event.user_id = row[7].as<std::int64_t>();
      event.outcome = row[8].c_str();
      events.push_back(std::move(event));
    }
    return events;
  });
}

SqlResult<std::int64_t> forget_settlement_events(Session& session, const std::vector<std::int64_t>& batches) {
  return run(session, kForget, {array_param(batches, [](std::int64_t id) { return id; })},
             [](const pqxx::result& rows) { return rows[0][0].as<std::int64_t>(); });
}

SqlResult<SettlementFeed> settlement_feed(Session& session) {
  return run(session, kFeed, {}, [](const pqxx::result& rows) {
    return SettlementFeed{rows[0][0].as<bool>(), rows[0][1].as<std::int64_t>()};
  });
}

SqlResult<void> want_settlement_events(Session& session, bool wanted) {
  TRY(run(session, kWant, {Param(wanted ? "true" : "false")}, [](const pqxx::result&) { return true; }));
  return {};
}

}  // namespace flashclaim::postgres
