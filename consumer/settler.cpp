// Makes one statement of a batch's claims, and turns the outcomes into stages of the items.
#include "consumer/settler.h"

#include <array>
#include <chrono>

#include "engine/base/log_repeated.h"
#include "engine/base/test_point.h"

namespace flashclaim::consumer {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Settler::Settler(std::string pg_url, std::string name, Metrics& metrics)
    : pg_url_(std::move(pg_url)), name_(std::move(name)), metrics_(metrics) {}

MaybeHold Settler::connect() {
  if (session_ && session_->open()) return std::nullopt;
  auto connected = postgres::Session::connect(pg_url_, name_);
  if (!connected) return Hold{"postgres", connected.error().message};
  session_ = std::move(connected).value();
  return std::nullopt;
}

MaybeHold Settler::settle(Batch& batch) {
  Items items;
  for (Item& item : batch)
    if (item.stage == Stage::kReceived) items.push_back(&item);
  if (items.empty()) return std::nullopt;
  if (auto held = connect()) return held;
  auto outcomes = ask(items);
  if (outcomes) {
    apply(items, *outcomes);
    return std::nullopt;
  }
  if (outcomes.error().fault != postgres::SqlFault::kData) return hold(outcomes.error(), items);
  log_repeated(
      LogLevel::kWarn, "consumer", "batch_refused",
      {{"messages", items.size()}, {"sqlstate", outcomes.error().sqlstate}, {"error", outcomes.error().message}});
  return settle_one_by_one(items);
}

MaybeHold Settler::settle_one_by_one(const Items& items) {
  for (Item* item : items) {
    const std::span<Item* const> alone(&item, 1);
    auto outcomes = ask(alone);
    if (outcomes) {
      apply(alone, *outcomes);
    } else if (outcomes.error().fault == postgres::SqlFault::kData) {
      item->fail(Fault::kSqlData, outcomes.error().sqlstate + " " + outcomes.error().message);
    } else {
      return hold(outcomes.error(), alone);
    }
  }
  return std::nullopt;
}

postgres::SqlResult<std::vector<postgres::Settled>> Settler::ask(std::span<Item* const> items) {
  claims_.clear();
  for (const Item* item : items) {
    const mirror::EntryMessage& message = *item->message;
    for (int index = 0; index < item->claims(); ++index)
      claims_.push_back(
          {message.coupon_id, message.epoch, message.entry, index, message.users[static_cast<std::size_t>(index)]});
  }
  const auto start = std::chrono::steady_clock::now();
  test_point("consumer.settle.sending");
  test_point_during("consumer.settle.sent", 3000);
  auto outcomes = postgres::settle_claims(*session_, claims_);
  test_point("consumer.settle.answered");
  if (outcomes) metrics_.settle_took(seconds_since(start));
  return outcomes;
}

MaybeHold Settler::hold(const postgres::SqlError& error, std::span<Item* const> items) {
  // The answer was lost, but the statement may have been carried out: this worker may have decided these claims.
  if (error.fault == postgres::SqlFault::kUnknown)
    for (Item* item : items) item->fresh = true;
  if (error.fault == postgres::SqlFault::kUnknown || !session_->open()) session_.reset();
  return Hold{"postgres", error.sqlstate.empty() ? error.message : error.sqlstate + " " + error.message,
              error.fault == postgres::SqlFault::kBug};
}

void Settler::apply(std::span<Item* const> items, std::span<const postgres::Settled> outcomes) {
  constexpr std::size_t kOutcomes = static_cast<std::size_t>(postgres::Outcome::kRejected) + 1;
  std::array<std::array<std::int64_t, 2>, kOutcomes> counts{};  // by outcome, then by fresh
  std::size_t next = 0;
  for (Item* item : items) {
    item->stage = Stage::kSettled;
    for (int index = 0; index < item->claims(); ++index) {
      const auto [outcome, fresh] = outcomes[next++];
      ++counts[static_cast<std::size_t>(outcome)][fresh ? 1 : 0];
      item->fresh = item->fresh || fresh;
      if (postgres::is_refused(outcome)) item->refused.push_back({index, std::string(postgres::word(outcome))});
      if (outcome == postgres::Outcome::kIdConflict)
        item->fail(Fault::kIdConflict, "claim " + item->message->claim_id(index).text() + " belongs to another user");
    }
  }
  for (std::size_t outcome = 0; outcome < kOutcomes; ++outcome)
    for (const bool fresh : {false, true})
      if (const std::int64_t claims = counts[outcome][fresh ? 1 : 0]; claims > 0)
        metrics_.decided(static_cast<postgres::Outcome>(outcome), fresh, claims);
}

}  // namespace flashclaim::consumer
