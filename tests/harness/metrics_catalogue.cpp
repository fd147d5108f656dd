// Reads the table rows of the catalogue, and the lines of an export.
#include "tests/harness/metrics_catalogue.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "tests/harness/paths.h"

namespace flashclaim::harness {
namespace {

/// `| a | b |` -> {"a", "b"}, without blanks around them.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream rest(line.substr(1));
  std::string cell;
  while (std::getline(rest, cell, '|')) {
    const auto begin = cell.find_first_not_of(' ');
    cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, cell.find_last_not_of(' ') + 1 - begin));
  }
  return cells;
}

}  // namespace

std::map<std::string, MetricFamily> catalogued_metrics() {
  std::map<std::string, MetricFamily> families;
  std::ifstream file(source_dir() + "/engine/METRICS.md");
  std::string line, program;
  while (std::getline(file, line)) {
    if (line.starts_with("## ")) program = line.substr(3, line.find(':') - 3);
    if (!line.starts_with("| `")) continue;
    const auto cells = cells_of(line);
    EXPECT_GE(cells.size(), 4U) << line;
    if (cells.size() < 4) continue;
    const std::string name = cells[0].substr(1, cells[0].size() - 2);
    EXPECT_TRUE(families.emplace(name, MetricFamily{program, cells[1], !cells[2].empty()}).second) << line;
  }
  return families;
}

std::map<std::string, std::string> exported_metrics(const std::string& text) {
  std::map<std::string, std::string> kinds;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string hash, type, name, kind;
    if (words >> hash >> type >> name >> kind && hash == "#" && type == "TYPE") kinds[name] = kind;
  }
  return kinds;
}

std::map<std::string, int> exported_values(const std::string& text) {
  const auto kinds = exported_metrics(text);
  std::map<std::string, int> values;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.empty() || line.front() == '#') continue;
    std::string name = line.substr(0, line.find_first_of("{ "));
    for (const std::string end : {"_bucket", "_sum", "_count"})
      if (!kinds.contains(name) && name.ends_with(end) && kinds.contains(name.substr(0, name.size() - end.size())))
        name.resize(name.size() - end.size());
    EXPECT_TRUE(kinds.contains(name)) << "a value of no family: " << line;
    ++values[name];
  }
  return values;
}

}  // namespace flashclaim::harness
