// The claim handler of one thread: takes the requests of its HTTP server and answers them through its Redis connection.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/auth/auth_filter.h"
#include "engine/claim/counters.h"
#include "engine/claim/long_poll.h"
#include "engine/claim/queue.h"
#include "engine/claim/view.h"
#include "engine/http/server.h"
#include "engine/loop/loop.h"
#include "engine/redis/async.h"

namespace flashclaim::claim {

/// Belongs to the loop's thread. Outlives the client (whose pending answers refer to it).
class ClaimHandler final : public auth::Guarded {
 public:
  explicit ClaimHandler(loop::Loop& loop);
  /// Before the first request.
  /// `others` gets every request that is not a claim or about one.
  void bind(http::Server& server, redis::AsyncClient& client, redis::Subscriber& subscriber, auth::AuthFilter& auth,
            auth::Guarded& others);
  /// Without it, a claim whose record in Redis has expired is not found.
  void bind(Archive& archive) { views_.bind(archive); }

  void handle(const http::Request& request, const auth::Caller& caller, http::Exchange exchange) noexcept override;
  [[nodiscard]] redis::Listener& listener() { return polls_; }
  /// Nobody waits for an outcome any more.
  void drain() { polls_.drain(); }
  [[nodiscard]] const ClaimCounters& counters() const { return counters_; }

 private:
  void receive(const http::Request& request, const auth::Caller& caller, http::Exchange exchange, std::string_view id);
  void show_claim(const http::Request& request, const auth::Caller& caller, http::Exchange exchange,
                  std::string_view id);
  void refuse_claim(http::Exchange exchange, http::Problem problem);
  Queue& queue_of(std::int64_t coupon_id);
  void on_end_of_turn();
  void drop_idle_queues();

  ClaimCounters counters_;
  auth::AuthFilter* auth_ = nullptr;
  QueueContext context_;
  Views views_;
  LongPolls polls_;
  auth::Guarded* others_ = nullptr;
  std::unordered_map<std::int64_t, std::unique_ptr<Queue>> queues_;
  Queue* last_queue_ = nullptr;  ///< most claims are of the coupon of the hour
  std::vector<Queue*> sending_;
  loop::EndOfTurn end_of_turn_;
};

}  // namespace flashclaim::claim
