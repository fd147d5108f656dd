// engine/METRICS.md against the export: each name stands in both, with the same kind.
#include "tests/harness/metrics_catalogue.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "consumer/metrics.h"
#include "engine/archive/metrics.h"
#include "engine/auth/metrics.h"
#include "engine/claim/metrics.h"
#include "engine/http/metrics.h"
#include "engine/metrics.h"
#include "engine/mirror/metrics.h"
#include "engine/redis/metrics.h"

namespace flashclaim {
namespace {

using Kinds = std::map<std::string, std::string>;  // by name

struct Recorder final : MetricsWriter {
  void family(std::string_view name, std::string_view, MetricKind kind) override {
    constexpr const char* kWords[] = {"counter", "gauge", "histogram"};
    kinds[std::string(name)] = kWords[static_cast<int>(kind)];
  }
  void value(double, MetricLabels) override {}
  void powers_histogram(std::span<const std::uint64_t>, double, double) override {}
  Kinds kinds;
};

/// Everything that an engine of any role and a consumer export.
Kinds exported() {
  Recorder recorder;
  http::write_metrics(recorder, {});
  auth::write_metrics(recorder, {});
  claim::write_metrics(recorder, {});
  redis::write_metrics(recorder, {});
  Kinds kinds = recorder.kinds;
  const archive::PoolCounters pool;
  const mirror::MirrorStats stats;
  kinds.merge(harness::exported_metrics(metrics_text({}, &pool, &stats, {})));

  consumer::Metrics metrics;  // a family with labels is exported from its first value on
  metrics.decided(postgres::Outcome{}, true, 1);
  metrics.decided(postgres::Outcome{}, false, 1);
  metrics.finished("FINISHED", 1);
  metrics.retried("fault");
  metrics.dead_lettered("fault");
  metrics.held("redis");
  metrics.queue_depth("queue", 1);
  metrics.drift(1, 0, 0);
  metrics.mended("outcome");
  metrics.passed_by("other");
  metrics.event_published("key");
  kinds.merge(harness::exported_metrics(metrics.text()));
  return kinds;
}

TEST(MetricsCatalogue, IsTheExport) {
  const auto catalogue = harness::catalogued_metrics();
  const Kinds kinds = exported();
  for (const auto& [name, kind] : kinds) {
    const auto row = catalogue.find(name);
    EXPECT_TRUE(row != catalogue.end()) << "engine/METRICS.md lacks " << name << ", which is exported";
    if (row != catalogue.end()) {
      EXPECT_EQ(row->second.kind, kind) << name;
    }
  }
  for (const auto& [name, row] : catalogue)
    EXPECT_TRUE(kinds.contains(name)) << "engine/METRICS.md has " << name << ", which nobody exports";
}

}  // namespace
}  // namespace flashclaim
