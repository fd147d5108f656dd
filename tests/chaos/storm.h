// A random fault run on the real stack: what is asked for, and what it came to.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/operations/checker.h"
#include "tests/chaos/storm_crowd.h"

namespace flashclaim::chaos {

struct StormOptions {
  std::int64_t seconds = 60;
  std::uint64_t seed = 0;
  std::string commit = "unnamed";                  ///< what is tried; printed
  std::int64_t rate = 1200;                        ///< new claims a second, at most
  std::int64_t gap_ms = 1400;                      ///< between faults, on average
  const std::atomic<bool>* interrupted = nullptr;  ///< ends the faults early; all is judged
  std::function<void(const std::string&)> progress;
};

struct StormReport {
  std::uint64_t seed = 0;
  std::string commit;
  std::int64_t seconds = 0;       ///< of faults
  std::int64_t rest_seconds = 0;  ///< from the last fault to rest
  CrowdReport crowd;              ///< acknowledged and refusals emptied: counted below
  std::int64_t acknowledged = 0;
  std::int64_t sold_out = 0;
  std::int64_t limit_reached = 0;
  std::int64_t lost = 0;        ///< acknowledged and nowhere
  std::int64_t duplicated = 0;  ///< claims beyond what anybody asked for
  std::int64_t refused = 0;     ///< by the database: here a promise broken
  std::int64_t wrong_refusals = 0;
  std::int64_t dead = 0;
  std::int64_t denied = 0;  ///< rights that a service denied somebody: here a promise broken
  operations::CheckReport check;
  std::vector<std::string> victims;
  std::map<std::string, std::int64_t> faults;  ///< by `<victim> <kind>`
  std::map<std::string, std::int64_t> commands;
  std::int64_t wrong_count = 0;
  std::vector<std::string> wrongs;  ///< the first of them
  std::map<std::string, std::string> log_files;
  std::string folder;
  [[nodiscard]] std::int64_t fault_count() const;
  [[nodiscard]] bool holds() const { return wrong_count == 0 && check.holds(); }
};

/// Blocks; services and programs of its own. Throws std::runtime_error when the stack could not be started at all.
StormReport run_storm(const StormOptions& options);

std::string text_of(const StormReport& report);
std::string json_of(const StormReport& report);
/// What a person needs to study a failed run: the ends of the logs, and the folder, which is kept.
std::string study_of(const StormReport& report);

}  // namespace flashclaim::chaos
