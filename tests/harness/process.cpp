// Programs run by a test: fork, exec, watch, reap.
#include "tests/harness/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/harness/folder.h"
#include "tests/harness/logins.h"
#include "tests/harness/paths.h"
#include "tests/harness/wait.h"
#include "tests/harness/witness.h"

extern char** environ;

namespace flashclaim::harness {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string path_of(const std::string& program) {
  return program.find('/') == std::string::npos ? bin_dir() + "/" + program : program;
}

std::string new_log_path() {
  static std::atomic<int> count{0};
  return run_folder() + "/program-" + std::to_string(++count);
}

std::vector<std::string> merged(const Environment& added) {
  Environment all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto equals = text.find('=');
    all[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : added) {
    all[name] = value;
  }
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) {
    lines.push_back(name + "=" + value);
  }
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

struct Files {
  std::string in = "/dev/null";
  std::string out;
  std::string err;
};

// In the child, between fork and exec: only calls that are safe there. Returns only when something failed.
void become(const char* path, char** argv, char** envp, const Files& files, pid_t parent) {
  const int in = open(files.in.c_str(), O_RDONLY);
  const int out = open(files.out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int err = open(files.err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) {
    return;
  }
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
    return;
  }
  setpgid(0, 0);  // a Ctrl-C at the terminal is the test's to answer
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(path, argv, envp);
}

// Starts the program; the error of a failed exec comes back through a pipe that a successful exec closes.
pid_t start(const std::string& program, const std::vector<std::string>& arguments, const Environment& environment,
            const Files& files) {
  const std::string path = path_of(program);
  std::vector<std::string> texts{path};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<std::string> lines = merged(environment_of(program, arguments, environment));
  std::vector<char*> argv = pointers(texts);
  std::vector<char*> envp = pointers(lines);
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
    throw std::runtime_error("pipe: " + std::string(strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    become(path.c_str(), argv.data(), envp.data(), files, parent);
    const int reason = errno;
    [[maybe_unused]] const auto written = write(pipe_ends[1], &reason, sizeof reason);
    _exit(127);
  }
  close(pipe_ends[1]);
  int reason = 0;
  const bool failed = pid < 0 || read(pipe_ends[0], &reason, sizeof reason) == sizeof reason;
  close(pipe_ends[0]);
  if (failed) {
    if (pid > 0) {
      waitpid(pid, nullptr, 0);
    }
    throw std::runtime_error("cannot start " + path + ": " + strerror(pid < 0 ? errno : reason));
  }
  return pid;
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

Process::Process(const std::string& program, const std::vector<std::string>& arguments, const Environment& environment)
    : log_(new_log_path() + ".log") {
  pid_ = start(program, arguments, environment, {"/dev/null", log_, log_});
  watch_log(log_);
}

Process::~Process() {
  signal(SIGKILL);
  wait();
  forget_log(log_);
}

bool Process::running() {
  int status = 0;
  if (status_ == -1 && waitpid(pid_, &status, WNOHANG) == pid_) {
    status_ = code_of(status);
  }
  return status_ == -1;
}

void Process::signal(int number) {
  if (running()) {
    kill(pid_, number);
  }
}

int Process::wait(std::chrono::milliseconds deadline) {
  return wait_until([this] { return !running(); }, deadline, 2ms) ? status_ : -1;
}

int Process::stop(std::chrono::milliseconds deadline) {
  signal(SIGTERM);
  return wait(deadline);
}

std::string Process::output() const { return read_file(log_); }

Finished run_program(const std::string& program, const std::vector<std::string>& arguments,
                     const Environment& environment, const std::string& input, std::chrono::milliseconds deadline) {
  const std::string stem = new_log_path();
  const Files files{stem + ".in", stem + ".out", stem + ".err"};
  std::ofstream(files.in, std::ios::binary) << input;
  const pid_t pid = start(program, arguments, environment, files);
  int status = 0;
  if (!wait_until([&] { return waitpid(pid, &status, WNOHANG) == pid; }, deadline, 2ms)) {
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    throw std::runtime_error(program + " did not end: " + read_file(files.out) + read_file(files.err));
  }
  Finished finished{code_of(status), read_file(files.out), read_file(files.err)};
  judge_output(program, finished.err);
  return finished;
}

}  // namespace flashclaim::harness
