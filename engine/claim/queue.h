// Group commit for one coupon: while batches are in flight the next ones fill; as soon as a flight is free, a batch
// leaves at the end of the turn that began it, so that nothing waits for company.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/claim/batch.h"
#include "engine/claim/counters.h"
#include "engine/http/server.h"
#include "engine/loop/loop.h"
#include "engine/redis/async.h"
#include "engine/redis/functions.h"
#include "engine/redis/keys.h"

namespace flashclaim::claim {

class Queue;

/// What the queues of one thread share. All pointers are the handler's.
struct QueueContext {
  http::Server* server = nullptr;
  redis::AsyncClient* client = nullptr;
  ClaimCounters* counters = nullptr;
  loop::EndOfTurn* end_of_turn = nullptr;  ///< where the handler looks at what follows
  std::vector<std::unique_ptr<Batch>> spare;
  std::vector<Queue*> to_send;             ///< have claims and nothing in flight
  std::vector<std::int64_t> idle_coupons;  ///< their queues became idle in this turn

  std::unique_ptr<Batch> take_batch();
};

/// One thread. Every waiter is answered exactly once: with its verdict, with "nothing was applied", or with
/// OUTCOME_UNKNOWN.
class Queue final : public redis::Call {
 public:
  Queue(QueueContext& context, std::int64_t coupon_id);

  /// Whether a claim that comes now would leave soon, by the pace of the last flights. False: BUSY.
  [[nodiscard]] bool admits(std::int64_t now_us) const;
  void add(const Waiter& waiter, std::string_view user, std::string_view key);
  /// What Redis said that a claim without a key may be told for a while without asking; nullopt: ask.
  [[nodiscard]] std::optional<http::Problem> cached_refusal(std::int64_t now_us) const {
    return now_us < shut_until_us_ ? std::optional(shut_as_) : std::nullopt;
  }
  /// Sends the oldest batches, as far as flights are free; what has grown stale by then is BUSY.
  void send();
  [[nodiscard]] bool idle() const { return flights_.empty() && waiting_.empty(); }
  [[nodiscard]] std::int64_t coupon_id() const { return coupon_id_; }

  void answered(const redis::ReplyView& reply) noexcept override;
  void lost() noexcept override;

 private:
  struct Flight {
    std::unique_ptr<Batch> batch;
    std::int64_t sent_at_us;
  };
  /// A claim without a key that came while Redis was asked whether a shut coupon still is.
  struct Parked {
    Waiter waiter;
    std::int64_t user;
  };

  [[nodiscard]] bool may_send() const;
  void announce();
  void add_to_batch(const Waiter& waiter, std::string_view user, std::string_view key);
  void note_shut(const redis::ReplyView& reply, std::size_t claims, std::int64_t sent_at_us);
  void release_parked();
  void drop_stale();
  void send_oldest();
  Flight landed();
  void became_idle_if_so();
  void answer_verdicts(const Batch& batch, std::string_view entry, std::string_view words);
  std::size_t answer_words(const Batch& batch, std::string_view entry, std::string_view words);
  bool answer_one(const Waiter& waiter, std::string_view word, std::string_view entry, int& accepted);
  void accept(const Waiter& waiter, std::string_view claim, bool replayed);
  void refuse(const Waiter& waiter, http::Problem problem);
  void refuse_all(const Batch& batch, http::Problem problem);
  void finished(const Waiter& waiter);

  QueueContext& context_;
  std::int64_t coupon_id_;
  redis::CouponKeys keys_;
  std::string coupon_text_;
  std::vector<std::unique_ptr<Batch>> waiting_;  ///< oldest first; only the last one may have room
  std::vector<Flight> flights_;                  ///< oldest first, as they are answered
  std::int64_t flight_us_ = 0;                   ///< how long flights take, smoothed
  bool announced_ = false;
  bool was_shut_ = false;  ///< Redis' last word, and many have asked
  std::size_t asked_while_shut_ = 0;
  http::Problem shut_as_ = http::Problem::kSoldOut;
  std::int64_t shut_until_us_ = 0;
  std::vector<Parked> parked_;  ///< told what the flight brings, or sent after it
  std::int64_t now_us_ = 0;     ///< of the reply that is being answered
  std::string location_;        ///< scratch
  std::string body_;            ///< scratch
};

}  // namespace flashclaim::claim
