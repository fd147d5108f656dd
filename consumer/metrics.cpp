// Prometheus families under their names; label values are words of ours, never text from outside.
#include "consumer/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>

namespace flashclaim::consumer {
namespace {

using Counters = prometheus::Family<prometheus::Counter>;
using Gauges = prometheus::Family<prometheus::Gauge>;
using Labels = prometheus::Labels;

Counters& counters(prometheus::Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name("flashclaim_consumer_" + name).Help(help).Register(registry);
}
Gauges& gauges(prometheus::Registry& registry, const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name("flashclaim_" + name).Help(help).Register(registry);
}
prometheus::Histogram& histogram(prometheus::Registry& registry, const std::string& name, const std::string& help,
                                 const prometheus::Histogram::BucketBoundaries& bounds) {
  return prometheus::BuildHistogram().Name("flashclaim_consumer_" + name).Help(help).Register(registry).Add({}, bounds);
}

const prometheus::Histogram::BucketBoundaries kSizes = {1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096};
const prometheus::Histogram::BucketBoundaries kSeconds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5};

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  Counters& decided = counters(registry, "claims_total", "Claims decided by the database, by outcome");
  Counters& replayed = counters(registry, "claims_replayed_total", "Claims that an earlier delivery had decided");
  Counters& finishes = counters(registry, "finishes_total", "Entries finished in Redis, by its answer");
  prometheus::Counter& unaccepted =
      counters(registry, "unaccepted_claims_total", "Claims settled though Redis does not know their entry").Add({});
  Counters& retries = counters(registry, "retries_total", "Messages sent to a retry queue, by fault");
  Counters& dead = counters(registry, "dead_letters_total", "Messages sent to the dead letter queue, by fault");
  prometheus::Counter& dropped =
      counters(registry, "dropped_deliveries_total", "Deliveries lost with their connection; they come again").Add({});
  Counters& holds = counters(registry, "holds_total", "Batches that had to wait, by the service that was away");
  Counters& mended = counters(registry, "reconciles_total", "Reconciles of suspected coupons, by outcome");
  Counters& passed_by = counters(registry, "passed_by_total", "Looks at a coupon that failed for a reason of its own");
  prometheus::Gauge& sick =
      gauges(registry, "sick_coupons", "Coupons that the reconciler can not mend now: above 0, a person must act")
          .Add({});
  prometheus::Gauge& reconciler =
      gauges(registry, "consumer_reconciler", "1 in the one process whose reconciler works").Add({});
  prometheus::Counter& frozen =
      counters(registry, "frozen_total", "Coupons frozen because Redis had rolled back").Add({});
  Counters& events = counters(registry, "events_total", "Settlement events published and confirmed, by routing key");
  prometheus::Gauge& held = gauges(registry, "consumer_held_batches", "Batches that wait for a service now").Add({});
  Gauges& depth = gauges(registry, "queue_messages", "Messages ready in a queue");
  Gauges& drift = gauges(registry, "coupon_drift", "Redis against the database, in units; above 0: too many in Redis");
  prometheus::Histogram& messages = histogram(registry, "batch_messages", "Messages per batch", kSizes);
  prometheus::Histogram& claims = histogram(registry, "batch_claims", "Claims per batch", kSizes);
  prometheus::Histogram& settle = histogram(registry, "settle_seconds", "One settle_claims statement", kSeconds);
  prometheus::Histogram& finish = histogram(registry, "finish_seconds", "One round trip of finishes", kSeconds);

  struct Drift {
    prometheus::Gauge* stock;
    prometheus::Gauge* inflight;
  };
  std::mutex mutex;  // over drifts
  std::map<std::int64_t, Drift> drifts;
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::decided(postgres::Outcome outcome, bool fresh, std::int64_t claims) {
  Counters& family = fresh ? state_->decided : state_->replayed;
  // A claim that was settled by an earlier delivery counts as replayed, whichever outcome word it has.
  const bool settled = postgres::is_settled(outcome);
  family.Add({{"outcome", std::string(settled ? "settled" : postgres::word(outcome))}})
      .Increment(static_cast<double>(claims));
}
void Metrics::event_published(std::string_view routing_key) {
  state_->events.Add({{"key", std::string(routing_key)}}).Increment();
}
void Metrics::batch(std::int64_t messages, std::int64_t claims) {
  state_->messages.Observe(static_cast<double>(messages));
  state_->claims.Observe(static_cast<double>(claims));
}
void Metrics::settle_took(double seconds) { state_->settle.Observe(seconds); }
void Metrics::finish_took(double seconds) { state_->finish.Observe(seconds); }
void Metrics::finished(std::string_view reply, std::int64_t entries) {
  state_->finishes.Add({{"reply", std::string(reply)}}).Increment(static_cast<double>(entries));
}
void Metrics::unaccepted(std::int64_t claims) { state_->unaccepted.Increment(static_cast<double>(claims)); }
void Metrics::retried(std::string_view fault) { state_->retries.Add({{"fault", std::string(fault)}}).Increment(); }
void Metrics::dead_lettered(std::string_view fault) { state_->dead.Add({{"fault", std::string(fault)}}).Increment(); }
void Metrics::dropped_deliveries(std::int64_t messages) { state_->dropped.Increment(static_cast<double>(messages)); }
void Metrics::held(std::string_view service) {
  state_->holds.Add({{"service", std::string(service)}}).Increment();
  state_->held.Increment();
}
void Metrics::released() { state_->held.Decrement(); }
void Metrics::queue_depth(std::string_view queue, std::int64_t messages) {
  state_->depth.Add({{"queue", std::string(queue)}}).Set(static_cast<double>(messages));
}

void Metrics::drift(std::int64_t coupon_id, std::int64_t stock, std::int64_t inflight) {
  const std::lock_guard lock(state_->mutex);
  auto found = state_->drifts.find(coupon_id);
  if (found == state_->drifts.end()) {
    const std::string id = std::to_string(coupon_id);
    const State::Drift made{&state_->drift.Add({{"coupon", id}, {"of", "stock"}}),
                            &state_->drift.Add({{"coupon", id}, {"of", "inflight"}})};
    found = state_->drifts.emplace(coupon_id, made).first;
  }
  found->second.stock->Set(static_cast<double>(stock));
  found->second.inflight->Set(static_cast<double>(inflight));
}

void Metrics::forget_drift(std::int64_t coupon_id) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->drifts.find(coupon_id);
  if (found == state_->drifts.end()) return;
  state_->drift.Remove(found->second.stock);
  state_->drift.Remove(found->second.inflight);
  state_->drifts.erase(found);
}

void Metrics::mended(std::string_view outcome) { state_->mended.Add({{"outcome", std::string(outcome)}}).Increment(); }
void Metrics::passed_by(std::string_view reason) {
  state_->passed_by.Add({{"reason", std::string(reason)}}).Increment();
}
void Metrics::sick_coupons(std::int64_t coupons) { state_->sick.Set(static_cast<double>(coupons)); }
void Metrics::reconciler(bool chosen) { state_->reconciler.Set(chosen ? 1 : 0); }
void Metrics::frozen() { state_->frozen.Increment(); }

std::string Metrics::text() const { return prometheus::TextSerializer().Serialize(state_->registry.Collect()); }

}  // namespace flashclaim::consumer
