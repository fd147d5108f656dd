// Preloaded into a server under test: its wall clock runs ahead of (or behind) this machine's by as many milliseconds as the
// file FLASHCLAIM_CLOCK holds, a 64-bit number. The file is mapped: a test that writes it sets the clock of the running server.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift_ms;

__attribute__((constructor)) static void map_shift(void) {
  const char *file = getenv("FLASHCLAIM_CLOCK");
  const int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof *shift_ms, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) shift_ms = mapped;
  close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  const int failed = (int)syscall(SYS_clock_gettime, clock, now);
  if (failed || !shift_ms || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return failed;
  const int64_t shift = *shift_ms;
  now->tv_sec += shift / 1000;
  now->tv_nsec += shift % 1000 * 1000000;
  if (now->tv_nsec < 0 || now->tv_nsec >= 1000000000) {
    const int by = now->tv_nsec < 0 ? -1 : 1;
    now->tv_sec += by;
    now->tv_nsec -= by * 1000000000L;
  }
  return 0;
}

int gettimeofday(struct timeval *now, void *zone) {
  (void)zone;
  struct timespec time;
  const int failed = clock_gettime(CLOCK_REALTIME, &time);
  now->tv_sec = time.tv_sec;
  now->tv_usec = time.tv_nsec / 1000;
  return failed;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
