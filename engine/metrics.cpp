// Lets each room write its metrics, with the counters of all threads, and serializes them with prometheus-cpp.
#include "engine/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>

#include "engine/archive/metrics.h"
#include "engine/auth/metrics.h"
#include "engine/base/metrics.h"
#include "engine/claim/metrics.h"
#include "engine/http/metrics.h"
#include "engine/mirror/metrics.h"
#include "engine/redis/metrics.h"

namespace flashclaim {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricType;
using Workers = std::vector<std::unique_ptr<Worker>>;

MetricType type_of(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return MetricType::Counter;
    case MetricKind::kGauge:
      return MetricType::Gauge;
    case MetricKind::kHistogram:
      return MetricType::Histogram;
  }
  return MetricType::Untyped;
}

class PrometheusWriter final : public MetricsWriter {
 public:
  void family(std::string_view name, std::string_view help, MetricKind kind) override {
    families_.push_back({std::string(name), std::string(help), type_of(kind), {}});
  }

  void value(double value, MetricLabels labels) override {
    ClientMetric metric;
    for (auto& [name, text] : labels) metric.label.push_back({std::move(name), std::move(text)});
    if (families_.back().type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    families_.back().metric.push_back(std::move(metric));
  }

  void powers_histogram(std::span<const std::uint64_t> counts, double unit, double sum) override {
    ClientMetric metric;
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      cumulative += counts[i];
      const bool last = i + 1 == counts.size();
      const double bound = last ? std::numeric_limits<double>::infinity() : unit * static_cast<double>(1ull << i);
      metric.histogram.bucket.push_back({cumulative, bound});
    }
    metric.histogram.sample_sum = sum;
    metric.histogram.sample_count = cumulative;
    families_.back().metric.push_back(std::move(metric));
  }

  [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

/// What `get` says of each worker.
template <class Counters>
std::vector<const Counters*> each(const Workers& workers, const Counters& (Worker::*get)() const) {
  std::vector<const Counters*> all;
  for (const auto& worker : workers) all.push_back(&((*worker).*get)());
  return all;
}

}  // namespace

std::string metrics_text(const Workers& workers, const archive::PoolCounters* archive,
                         const mirror::MirrorStats* mirror, const std::vector<http::Check>& checks) {
  PrometheusWriter out;
  if (!workers.empty()) {
    http::write_metrics(out, each(workers, &Worker::http_counters));
    auth::write_metrics(out, each(workers, &Worker::auth_counters));
    claim::write_metrics(out, each(workers, &Worker::claim_counters));
    redis::write_metrics(out, each(workers, &Worker::redis_counters));
  }
  if (archive) archive::write_metrics(out, *archive);
  if (mirror) mirror::write_metrics(out, *mirror);
  out.family("flashclaim_ready", "1 for each dependency that is well.", MetricKind::kGauge);
  for (const http::Check& check : checks) out.value(check.ok ? 1 : 0, {{"check", check.name}});
  return out.text();
}

}  // namespace flashclaim
