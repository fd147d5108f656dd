// The folder and the ports of one test process: a reaper holds the other end of a pipe and clears up when it closes.
#include "tests/harness/folder.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <stdexcept>

#include "tests/harness/paths.h"

namespace flashclaim::harness {
namespace {

// Invariant: the write end is open in this process only (O_CLOEXEC), so the reaper reads the end of file exactly when
// this process has gone.
class Folder {
 public:
  Folder() : path_(source_dir() + "/.run-test/" + std::to_string(getpid())) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      throw std::runtime_error("pipe for the reaper");
    }
    const std::string script = source_dir() + "/tests/harness/reaper.sh";
    reaper_ = fork();
    if (reaper_ == 0) {
      setsid();  // a Ctrl-C at the terminal ends the tests, not the reaper
      dup2(ends[0], 0);
      execl("/bin/bash", "bash", script.c_str(), path_.c_str(), nullptr);
      _exit(127);
    }
    close(ends[0]);
    write_end_ = ends[1];
  }
  ~Folder() {
    close(write_end_);
    waitpid(reaper_, nullptr, 0);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  pid_t reaper_ = -1;
  int write_end_ = -1;
};

bool is_free(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return bound;
}

/// Ours until this process ends, by a socket of that name (unix(7), abstract): a port is free also while the program of
/// another test that has it is being started again.
bool reserve(int port) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string text = "flashclaim-test-port-" + std::to_string(port);
  std::copy(text.begin(), text.end(), name.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&name), size) == 0) return true;
  close(fd);
  return false;
}

}  // namespace

const std::string& run_folder() {
  static Folder folder;
  return folder.path();
}

void keep_run_folder() { std::ofstream(run_folder() + "/keep") << "study me, then remove me\n"; }

int free_ports(int count) {
  static std::mutex mutex;
  static constexpr int kFirst = 21000;
  static constexpr int kLast = 32767;
  static int next = kFirst + (getpid() * 37) % (kLast - kFirst);  // neighbours in time start far apart
  const std::lock_guard lock(mutex);
  for (int tries = 0; tries < kLast - kFirst; ++tries) {
    if (next + count > kLast) {
      next = kFirst;
    }
    int run = 0;
    while (run < count && reserve(next + run) && is_free(next + run)) {
      ++run;
    }
    const int first = next;
    next += run < count ? run + 1 : count;
    if (run == count) {
      return first;
    }
  }
  throw std::runtime_error("no free ports between 21000 and 32767");
}

}  // namespace flashclaim::harness
