// The outbox of settlement events: what settle_claims decided and the relay has not published yet (sql/0009).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/postgres/session.h"

namespace flashclaim::postgres {

/// One claim of one batch.
struct SettlementEvent {
  std::int64_t batch = 0;  ///< the outbox' row
  std::int64_t decided_ms = 0;
  ClaimId claim;
  std::int64_t user_id = 0;
  std::string outcome;  ///< settled, or the reason of the refusal
};

/// True when this session is the relay: an advisory lock of the session, one in the whole database, until it closes.
SqlResult<bool> become_relay(Session& session);
/// All claims of the oldest `batches` batches; claims of the same batch, coupon and kind (settled or not) are adjacent.
SqlResult<std::vector<SettlementEvent>> settlement_events(Session& session, int batches);
/// Deletes batches that were published and confirmed. Returns how many events were still there; repeat after kUnknown.
SqlResult<std::int64_t> forget_settlement_events(Session& session, const std::vector<std::int64_t>& batches);

/// Whether settle_claims records events, and how many batches wait for a relay (counted up to 100,000).
struct SettlementFeed {
  bool wanted = false;
  std::int64_t waiting = 0;
};
SqlResult<SettlementFeed> settlement_feed(Session& session);
SqlResult<void> want_settlement_events(Session& session, bool wanted);

}  // namespace flashclaim::postgres
