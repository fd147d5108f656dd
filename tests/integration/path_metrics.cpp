// What the running programs answer to /metrics, against the catalogue.
#include <gtest/gtest.h>

#include "tests/harness/metrics_catalogue.h"
#include "tests/harness/whole_path.h"

namespace flashclaim {
namespace {

class MetricsPath : public WholePath {
 protected:
  /// Every family that is exported stands in the catalogue with its kind, under this program; and every one of the
  /// catalogue that has no labels is exported with a value.
  static void expect_catalogued(int admin_port, const std::string& program) {
    const auto answer = harness::raw_request(admin_port, "GET", "/metrics");
    ASSERT_EQ(answer.status, 200) << program;
    const auto kinds = harness::exported_metrics(answer.body);
    const auto values = harness::exported_values(answer.body);
    const auto catalogue = harness::catalogued_metrics();
    for (const auto& [name, kind] : kinds) {
      const auto row = catalogue.find(name);
      EXPECT_TRUE(row != catalogue.end()) << program << " exports " << name << ", engine/METRICS.md lacks it";
      if (row == catalogue.end()) continue;
      EXPECT_EQ(row->second.kind, kind) << name;
      EXPECT_EQ(row->second.program, program) << name;
    }
    for (const auto& [name, row] : catalogue) {
      if (row.program != program || row.labelled) continue;
      EXPECT_TRUE(values.contains(name)) << "engine/METRICS.md has " << name << ", " << program << " lacks it";
    }
    EXPECT_GT(kinds.size(), 10U) << answer.body;
  }
};

TEST_F(MetricsPath, AreThoseOfTheCatalogueInBothPrograms) {
  start_programs();
  accept(open_coupon(10, 1), 1, 3);
  await_rest();
  expect_catalogued(admin_port_, "Engine");
  expect_catalogued(consumer_admin_port_, "Consumer");
  expect_invariants(told_);
}

}  // namespace
}  // namespace flashclaim
