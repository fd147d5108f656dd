// engine/METRICS.md against the export: each name stands in both, with the same kind.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "consumer/metrics.h"
#include "engine/archive/metrics.h"
#include "engine/auth/metrics.h"
#include "engine/claim/metrics.h"
#include "engine/http/metrics.h"
#include "engine/metrics.h"
#include "engine/mirror/metrics.h"
#include "engine/redis/metrics.h"
#include "tests/harness/paths.h"

namespace flashclaim {
namespace {

using Kinds = std::map<std::string, std::string>;  // by name

void read_export(const std::string& text, Kinds& kinds) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string hash, type, name, kind;
    if (words >> hash >> type >> name >> kind && hash == "#" && type == "TYPE") kinds[name] = kind;
  }
}

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
  read_export(metrics_text({}, &pool, &stats, {}), kinds);

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
  read_export(metrics.text(), kinds);
  return kinds;
}

/// The rows `| `name` | kind | ...` of the catalogue.
Kinds catalogued() {
  Kinds kinds;
  std::ifstream file(harness::source_dir() + "/engine/METRICS.md");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("| `")) continue;
    const auto end = line.find('`', 3);
    const auto kind = line.find("| ", end) + 2;
    EXPECT_TRUE(kinds.emplace(line.substr(3, end - 3), line.substr(kind, line.find(' ', kind) - kind)).second) << line;
  }
  return kinds;
}

TEST(MetricsCatalogue, IsTheExport) { EXPECT_EQ(catalogued(), exported()); }

}  // namespace
}  // namespace flashclaim
