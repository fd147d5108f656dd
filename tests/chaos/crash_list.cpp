// The list of crash points and the sources agree: no point is forgotten by the tests, none of the list is gone.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "tests/chaos/crash_points.h"

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

/// Every literal in a call of test_point or test_point_during, also both of `test_point(a ? "x" : "y")`.
void scan(const std::filesystem::path& file, std::set<std::string>& found) {
  std::ifstream in(file);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const std::regex call(R"(test_point(_during)?\(([^;]*)\);)");
  const std::regex literal(R"re("([^"]*)")re");
  for (std::sregex_iterator at(text.begin(), text.end(), call), end; at != end; ++at) {
    const std::string arguments = (*at)[2];
    for (std::sregex_iterator name(arguments.begin(), arguments.end(), literal); name != end; ++name)
      found.insert((*name)[1]);
  }
}

TEST(CrashPoints, AreAllListedAndAllInTheSources) {
  std::set<std::string> found;
  for (const char* room : {"engine", "consumer"})
    for (const auto& file :
         std::filesystem::recursive_directory_iterator(std::string(FLASHCLAIM_SOURCE_DIR) + "/" + room))
      if (file.path().extension() == ".cpp") scan(file.path(), found);
  EXPECT_EQ(found, listed());
  EXPECT_EQ(found.size(), 60U);
}

}  // namespace
}  // namespace flashclaim::chaos
