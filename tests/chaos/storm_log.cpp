// The ledger of one storm.
#include "tests/chaos/storm_log.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "tests/harness/folder.h"

namespace flashclaim::chaos {
namespace {

constexpr std::size_t kWrongsKept = 40;
constexpr std::size_t kWrongBytes = 400;  // storm.log has the whole

void append(const std::string& text) {
  std::ofstream(harness::run_folder() + "/storm.log", std::ios::app) << wall_ms() << ' ' << text << '\n';
}

}  // namespace

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void StormLog::fault(const std::string& kind) {
  const std::lock_guard lock(mutex_);
  ++faults_[kind];
}

void StormLog::command(const std::string& verb, int exit) {
  const std::lock_guard lock(mutex_);
  ++commands_[fmt::format("{} -> {}", verb, exit)];
}

void StormLog::wrong(const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (wrongs_.size() < kWrongsKept) {
    std::string line = what.substr(0, kWrongBytes);
    std::replace(line.begin(), line.end(), '\n', ' ');
    wrongs_.push_back(std::move(line));
  }
  ++wrong_count_;
  append("WRONG " + what);
}

void StormLog::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  append(text);
}

void StormLog::log_file(const std::string& program, const std::string& path) {
  const std::lock_guard lock(mutex_);
  log_files_[program] = path;
  append(fmt::format("{} logs to {}", program, path));
}

std::int64_t StormLog::faults() const {
  const std::lock_guard lock(mutex_);
  std::int64_t all = 0;
  for (const auto& [kind, count] : faults_) all += count;
  return all;
}

std::map<std::string, std::int64_t> StormLog::faults_by_kind() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}

std::map<std::string, std::int64_t> StormLog::commands() const {
  const std::lock_guard lock(mutex_);
  return commands_;
}

std::vector<std::string> StormLog::wrongs() const {
  const std::lock_guard lock(mutex_);
  return wrongs_;
}

std::int64_t StormLog::wrong_count() const {
  const std::lock_guard lock(mutex_);
  return wrong_count_;
}

std::map<std::string, std::string> StormLog::log_files() const {
  const std::lock_guard lock(mutex_);
  return log_files_;
}

}  // namespace flashclaim::chaos
