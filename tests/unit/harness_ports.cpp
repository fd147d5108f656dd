// Two test processes at once never get the same port.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/folder.h"

namespace flashclaim::harness {
namespace {

TEST(Ports, OfAProcessAreNotGivenToAnotherThoughNobodyListens) {
  int told[2];
  ASSERT_EQ(pipe(told), 0);
  (void)free_ports();  // from here on both look in the same order
  const pid_t other = fork();
  if (other == 0) {
    const int port = free_ports();
    (void)!write(told[1], &port, sizeof port);
    pause();
  }
  int theirs = 0;
  EXPECT_EQ(read(told[0], &theirs, sizeof theirs), static_cast<ssize_t>(sizeof theirs));
  EXPECT_NE(free_ports(), theirs);
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  close(told[0]);
  close(told[1]);
}

}  // namespace
}  // namespace flashclaim::harness
