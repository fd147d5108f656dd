// The first half of settling: the database's outcome for every claim of a batch.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "consumer/batch.h"
#include "consumer/hold.h"
#include "consumer/metrics.h"
#include "engine/postgres/session.h"
#include "engine/postgres/settle.h"

namespace flashclaim::consumer {

/// One thread; owns one session, made when needed.
class Settler {
 public:
  /// `metrics` must outlive it.
  Settler(std::string pg_url, std::string name, Metrics& metrics);

  /// One statement over all items that are kReceived: each becomes kSettled, or kFaulty when its own data fail. In that
  /// case the items are asked about one by one, so that the others are settled. After a Hold the items without an
  /// outcome are still kReceived: call again, the same claims get the same answer.
  MaybeHold settle(Batch& batch);

 private:
  using Items = std::vector<Item*>;
  MaybeHold connect();
  MaybeHold settle_one_by_one(const Items& items);
  postgres::SqlResult<std::vector<postgres::Settled>> ask(std::span<Item* const> items);
  MaybeHold hold(const postgres::SqlError& error, std::span<Item* const> items);
  void apply(std::span<Item* const> items, std::span<const postgres::Settled> outcomes);

  std::string pg_url_;
  std::string name_;
  Metrics& metrics_;
  std::unique_ptr<postgres::Session> session_;
  std::vector<postgres::SettleClaim> claims_;  // reused from batch to batch
};

}  // namespace flashclaim::consumer
