// What the parts of a storm tell each other and the report: the ledger of one run, safe for every thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace flashclaim::chaos {

/// Milliseconds of the machine's clock, which is Redis' clock too.
std::int64_t wall_ms();

/// Counted and remembered while the storm runs. Every method: any thread.
class StormLog {
 public:
  void fault(const std::string& kind);              ///< "redis kill -9"
  void command(const std::string& verb, int exit);  ///< a flashctl command
  void wrong(const std::string& what);              ///< breaks a promise: the run has failed
  void note(const std::string& text);               ///< a line in storm.log
  void log_file(const std::string& program, const std::string& path);

  [[nodiscard]] std::int64_t faults() const;
  [[nodiscard]] std::map<std::string, std::int64_t> faults_by_kind() const;
  [[nodiscard]] std::map<std::string, std::int64_t> commands() const;  ///< "coupon pause -> 0"
  [[nodiscard]] std::vector<std::string> wrongs() const;
  [[nodiscard]] std::int64_t wrong_count() const;
  /// Program -> the log of its last incarnation.
  [[nodiscard]] std::map<std::string, std::string> log_files() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::int64_t> faults_;
  std::map<std::string, std::int64_t> commands_;
  std::vector<std::string> wrongs_;
  std::int64_t wrong_count_ = 0;
  std::map<std::string, std::string> log_files_;
};

}  // namespace flashclaim::chaos
