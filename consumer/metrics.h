// The numbers of a consumer process, for /metrics.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/postgres/settle.h"

namespace flashclaim::consumer {

/// Any thread. Counters since the start of the process. The success rate is settled / (settled + refused).
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// `claims` of one batch have `outcome`; not fresh: an earlier delivery decided them.
  void decided(postgres::Outcome outcome, bool fresh, std::int64_t claims);
  void batch(std::int64_t messages, std::int64_t claims);
  void settle_took(double seconds);
  void finish_took(double seconds);
  void finished(std::string_view reply, std::int64_t entries);
  void unaccepted(std::int64_t claims);  ///< settled, though Redis does not know their entry
  void retried(std::string_view fault);
  void dead_lettered(std::string_view fault);
  void dropped_deliveries(std::int64_t messages);  ///< with a lost connection: they come again

  void held(std::string_view service);  ///< a batch waits for `service`; ends with released()
  void released();

  void queue_depth(std::string_view queue, std::int64_t messages);
  /// Units by which Redis and the database differ: above 0, Redis would give out too many.
  void drift(std::int64_t coupon_id, std::int64_t stock, std::int64_t inflight);
  void forget_drift(std::int64_t coupon_id);
  void mended(std::string_view outcome);
  /// A coupon was skipped because it could not be reconciled: `damaged` (one of its keys), or `other`.
  void passed_by(std::string_view reason);
  void sick_coupons(std::int64_t coupons);  ///< how many those are now
  void reconciler(bool chosen);             ///< whether this process is the one that mends
  void frozen();
  void event_published(std::string_view routing_key);

  /// Prometheus text format.
  [[nodiscard]] std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flashclaim::consumer
