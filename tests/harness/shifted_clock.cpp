// The other side of shifted_clock.c: a file of eight bytes that both have mapped.
#include "tests/harness/shifted_clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>

#include "tests/harness/folder.h"
#include "tests/harness/paths.h"

namespace flashclaim::harness {

ShiftedClock::ShiftedClock() {
  static std::atomic<int> made{0};
  file_ = run_folder() + "/clock-" + std::to_string(++made);
  const int fd = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  void* mapped = fd < 0 || ::ftruncate(fd, sizeof *shift_ms_) != 0
                     ? MAP_FAILED
                     : ::mmap(nullptr, sizeof *shift_ms_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd >= 0) ::close(fd);
  if (mapped == MAP_FAILED) throw std::runtime_error("no clock in " + file_);
  shift_ms_ = static_cast<std::int64_t*>(mapped);
}

ShiftedClock::~ShiftedClock() { ::munmap(const_cast<std::int64_t*>(shift_ms_), sizeof *shift_ms_); }

Setup ShiftedClock::setup() const {
  Setup setup;
  setup.environment = {{"LD_PRELOAD", bin_dir() + "/libshifted_clock.so"}, {"FLASHCLAIM_CLOCK", file_}};
  return setup;
}

void ShiftedClock::ahead_by(std::int64_t ms) { *shift_ms_ = ms; }

}  // namespace flashclaim::harness
