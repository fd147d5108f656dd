// Preloaded into a Redis under test: fsync and fdatasync wait while the file named by FLASHCLAIM_STALL exists, as on a disk
// that has stopped; write goes on into the kernel's cache.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void wait_for_the_disk(void) {
  const char* file = getenv("FLASHCLAIM_STALL");
  while (file != NULL && access(file, F_OK) == 0) usleep(1000);
}

int fdatasync(int fd) {
  wait_for_the_disk();
  return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
  wait_for_the_disk();
  return (int)syscall(SYS_fsync, fd);
}
