// The lists and the sources agree: no crash point is forgotten by the tests, no guard can be taken out for nothing.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "tests/chaos/crash_points.h"
#include "tests/harness/paths.h"

namespace flashclaim::chaos {
namespace {

std::set<std::string> listed() {
  std::set<std::string> all;
  const auto add = [&](const auto& points) {
    for (const auto point : points) EXPECT_TRUE(all.emplace(point).second) << point << " is listed twice";
  };
  add(kEnginePoints), add(kConsumerPoints), add(kFaultPoints), add(kReplayPoints), add(kRejectPoints),
      add(kOperationPoints);
  add(kRebuildPoints), add(kReconcilePoints);
  return all;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Every literal among the arguments of the calls that `call` matches, also both of `test_point(a ? "x" : "y")`.
std::set<std::string> literals_in_sources(const char* call) {
  std::set<std::string> found;
  const std::regex calls(call);
  const std::regex literal(R"re("([^"]*)")re");
  for (const char* room : {"/engine", "/consumer"}) {
    for (const auto& file : std::filesystem::recursive_directory_iterator(harness::source_dir() + room)) {
      if (file.path().extension() != ".cpp") continue;
      const std::string text = text_of(file.path());
      for (std::sregex_iterator at(text.begin(), text.end(), calls), end; at != end; ++at) {
        const std::string arguments = (*at)[1];
        for (std::sregex_iterator name(arguments.begin(), arguments.end(), literal); name != end; ++name)
          found.insert((*name)[1]);
      }
    }
  }
  return found;
}

TEST(CrashPoints, AreAllListedAndAllInTheSources) {
  auto found = literals_in_sources(R"(test_point(?:_during)?\(([^;]*)\);)");
  found.merge(literals_in_sources(R"re(\.sent_point = ("[^"]*"))re"));
  EXPECT_EQ(found, listed());
  EXPECT_EQ(found.size(), 60U);
}

TEST(Guards, AreAllTakenOutBySomeControl) {
  std::string controls;
  for (const auto& file : std::filesystem::directory_iterator(harness::source_dir() + "/tests/chaos"))
    if (file.path().filename().string().rfind("control_", 0) == 0) controls += text_of(file.path());
  const auto found = literals_in_sources(R"(guard_removed\(([^)]*)\))");
  EXPECT_EQ(found.size(), 8U);
  for (const auto& guard : found) EXPECT_NE(controls.find(guard), std::string::npos) << guard;
}

}  // namespace
}  // namespace flashclaim::chaos
