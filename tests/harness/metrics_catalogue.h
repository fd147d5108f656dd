// engine/METRICS.md as tests read it, and what a text of /metrics holds.
#pragma once

#include <map>
#include <string>

namespace flashclaim::harness {

struct MetricFamily {
  std::string program;  ///< "Engine" or "Consumer": the section that it stands in
  std::string kind;     ///< counter, gauge, histogram
  bool labelled = false;
};
/// The rows of the catalogue, by name; a name that stands twice is a failure of the test.
std::map<std::string, MetricFamily> catalogued_metrics();

/// Of an export in Prometheus' text format: the kind of each family, by name.
std::map<std::string, std::string> exported_metrics(const std::string& text);
/// How many values each family of the export has (its buckets, sum and count are its values), by name; a value of no
/// family is a failure of the test.
std::map<std::string, int> exported_values(const std::string& text);

}  // namespace flashclaim::harness
