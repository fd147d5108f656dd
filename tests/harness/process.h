// Programs run by a test: started with arguments and environment of their own, watched, signalled, never left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace flashclaim::harness {

using Environment = std::map<std::string, std::string>;

/// A running program. Its stdout and stderr go to one file. It dies with the thread that started it (PR_SET_PDEATHSIG),
/// so start it from the test's main thread, and with this object (SIGKILL). Not for use by two threads at once.
class Process {
 public:
  /// `program`: a name from the build's bin folder ("flashclaim-engine"), or a path. `environment` is added to this
  /// process'; a program of ours gets logins of its own in it (logins.h). Throws std::runtime_error when the program
  /// cannot be executed.
  Process(const std::string& program, const std::vector<std::string>& arguments, const Environment& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running();
  /// Does nothing when the program has ended.
  void signal(int number);
  /// The exit code, 128 + n after signal n, or -1 when it still runs after `deadline`.
  int wait(std::chrono::milliseconds deadline = std::chrono::seconds(60));
  /// SIGTERM, then wait.
  int stop(std::chrono::milliseconds deadline = std::chrono::seconds(60));
  /// All it has written so far.
  [[nodiscard]] std::string output() const;
  [[nodiscard]] const std::string& log_path() const { return log_; }

 private:
  pid_t pid_ = -1;
  int status_ = -1;  // as wait() reports it, once reaped
  std::string log_;
};

struct Finished {
  int exit_code = 0;
  std::string out;
  std::string err;
};
/// Runs a program to its end, with `input` as its stdin. Throws as Process does, and when it does not end within
/// `deadline`.
Finished run_program(const std::string& program, const std::vector<std::string>& arguments,
                     const Environment& environment = {}, const std::string& input = "",
                     std::chrono::milliseconds deadline = std::chrono::seconds(300));

}  // namespace flashclaim::harness
