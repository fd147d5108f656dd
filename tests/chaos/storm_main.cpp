// `test_chaos storm [--seconds N] [--seed N] [--rate N] [--gap-ms N] [--output text|json] [--commit NAME]`: make chaos.
// Anything else is GoogleTest's.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <map>
#include <string>

#include "engine/base/ids.h"
#include "tests/chaos/storm.h"
#include "tests/harness/folder.h"

namespace flashclaim::chaos {
namespace {

constexpr int kUsage = 2;
std::atomic<bool> interrupted{false};

int usage() {
  std::fprintf(
      stderr,
      "test_chaos storm [--seconds N] [--seed N] [--rate N] [--gap-ms N] [--output text|json] [--commit NAME]\n");
  return kUsage;
}

void show(const std::string& line) { std::fprintf(stderr, "\r\033[K%s", line.c_str()); }

int storm(int argc, char** argv) {
  std::map<std::string, std::string> given = {{"--seconds", "600"}, {"--seed", ""},       {"--rate", "1200"},
                                              {"--gap-ms", "1400"}, {"--output", "text"}, {"--commit", "unnamed"}};
  for (int i = 2; i < argc; i += 2) {
    if (i + 1 >= argc || !given.contains(argv[i])) return usage();
    given[argv[i]] = argv[i + 1];
  }
  if (given["--seed"].empty()) given["--seed"] = std::to_string(wall_ms() % 1'000'000);
  const bool json = given["--output"] == "json";
  StormOptions options;
  for (const auto& [name, value] : given) {
    if (name != "--output" && name != "--commit" && !parse_number(value)) return usage();
  }
  if (!json && given["--output"] != "text") return usage();
  options.seconds = *parse_number(given["--seconds"]);
  options.seed = static_cast<std::uint64_t>(*parse_number(given["--seed"]));
  options.rate = *parse_number(given["--rate"]);
  options.gap_ms = *parse_number(given["--gap-ms"]);
  if (options.rate < 1 || options.gap_ms < 1) return usage();
  options.commit = given["--commit"];
  options.interrupted = &interrupted;
  if (isatty(STDERR_FILENO) != 0) options.progress = show;
  signal(SIGINT, [](int) { interrupted = true; });
  std::fprintf(stderr, "chaos: seed %s for %s s; everything of it is in %s\n", given["--seed"].c_str(),
               given["--seconds"].c_str(), harness::run_folder().c_str());
  const StormReport report = run_storm(options);
  if (options.progress) show("");
  std::fputs((json ? json_of(report) + "\n" : text_of(report)).c_str(), stdout);
  if (report.holds()) return 0;
  harness::keep_run_folder();
  std::fputs(study_of(report).c_str(), stderr);
  return 1;
}

}  // namespace
}  // namespace flashclaim::chaos

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "storm") {
    try {
      return flashclaim::chaos::storm(argc, argv);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "chaos: %s\n", error.what());
      return 1;
    }
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
